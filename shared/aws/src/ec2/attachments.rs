//! Reads the two elements of EC2's answer that the SDK does not know, `transitGatewayAttachmentId`
//! and `transitGatewayAttachmentOwner`, from the answer's XML.
//!
//! EC2's model has them since 17 November 2026 (botocore 1.44.8); `aws-sdk-ec2` drops what it does
//! not know. Without them the connection of an attachment looks like that of an endpoint. So an
//! answer whose XML is incomplete is refused, although the SDK would accept it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_ec2::operation::describe_vpc_endpoint_connections::DescribeVpcEndpointConnectionsOutput;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use quick_xml::Reader;
use quick_xml::events::Event;

/// What an item of the list says about an attachment, as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Named {
    pub(super) id: Option<String>,
    pub(super) owner: Option<String>,
}

/// Why an answer is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error("EC2's answer is not well-formed XML")]
    Malformed(#[from] quick_xml::Error),
    #[error("EC2's answer ends before its XML does")]
    CutOff,
    #[error("EC2's answer is not text")]
    NotText(#[from] std::str::Utf8Error),
    #[error("EC2's answer lists {listed} connections, of which the SDK reads {read}")]
    OtherCount { listed: usize, read: usize },
    #[error("EC2's answer was not kept by the SDK")]
    Unseen,
}

/// Reads along with one call of `DescribeVpcEndpointConnections`, and fails the call if the answer
/// cannot be read.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadAlong(Arc<Mutex<Option<Vec<Named>>>>);

impl ReadAlong {
    /// What each item of the answer says, in the order of the list.
    pub(super) fn items(&self) -> Result<Vec<Named>, Unread> {
        self.lock().take().ok_or(Unread::Unseen)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Named>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for ReadAlong {
    fn name(&self) -> &'static str {
        "ReadAlong"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The SDK reads failures.
        let Ok(output) = context.output_or_error() else {
            return Ok(());
        };
        let read = output
            .downcast_ref::<DescribeVpcEndpointConnectionsOutput>()
            .map(|output| output.vpc_endpoint_connections().len());
        let body = context.response().body().bytes();
        let (Some(read), Some(body)) = (read, body) else {
            return Err(Unread::Unseen.into());
        };
        *self.lock() = Some(items(body, read)?);
        Ok(())
    }
}

/// What each item of the list says about an attachment; `read` is how many items the SDK read.
fn items(xml: &[u8], read: usize) -> Result<Vec<Named>, Unread> {
    let items = named(xml)?;
    if items.len() == read {
        Ok(items)
    } else {
        let listed = items.len();
        Err(Unread::OtherCount { listed, read })
    }
}

/// The position of an element in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    List,
    /// An item of the list, or an element in one.
    Item,
    Id,
    Owner,
    Elsewhere,
}

/// What each item of the list says about an attachment.
fn named(xml: &[u8]) -> Result<Vec<Named>, Unread> {
    let mut reader = Reader::from_str(std::str::from_utf8(xml)?);
    let config = reader.config_mut();
    config.enable_all_checks(true);
    config.expand_empty_elements = true;
    let mut items: Vec<Named> = Vec::new();
    let mut open: Vec<Place> = Vec::new();
    let mut is_begun = false;
    loop {
        let text = match reader.read_event()? {
            Event::Start(start) => {
                is_begun = true;
                let name = start.local_name();
                let place = place(open.last().copied(), name.as_ref());
                if place == Place::Item && open.last() == Some(&Place::List) {
                    items.push(Named::default());
                }
                open.push(place);
                continue;
            }
            Event::End(_) => {
                open.pop();
                continue;
            }
            Event::Text(text) => text.as_ref().to_owned(),
            Event::CData(text) => text.as_ref().to_owned(),
            Event::GeneralRef(name) => format!("&{};", name.as_ref()),
            Event::Eof if is_begun && open.is_empty() => return Ok(items),
            Event::Eof => return Err(Unread::CutOff),
            _ => continue,
        };
        let Some(item) = items.last_mut() else {
            continue;
        };
        let named = match open.last() {
            Some(Place::Id) => &mut item.id,
            Some(Place::Owner) => &mut item.owner,
            _ => continue,
        };
        named.get_or_insert_default().push_str(&text);
    }
}

fn place(within: Option<Place>, name: &str) -> Place {
    match within {
        None => Place::Root,
        Some(Place::Root) if name == "vpcEndpointConnectionSet" => Place::List,
        Some(Place::List) if name == "item" => Place::Item,
        // In any spelling and at any depth.
        Some(Place::Item) if name.eq_ignore_ascii_case("transitGatewayAttachmentId") => Place::Id,
        Some(Place::Item) if name.eq_ignore_ascii_case("transitGatewayAttachmentOwner") => {
            Place::Owner
        }
        Some(place @ (Place::Item | Place::Id | Place::Owner)) => place,
        Some(Place::Root | Place::List | Place::Elsewhere) => Place::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "<vpcEndpointId>vpce-0a1b2c3d</vpcEndpointId>";
    const ID: &str = "<transitGatewayAttachmentId>tgw-attach-1</transitGatewayAttachmentId>";
    const OWNER: &str =
        "<transitGatewayAttachmentOwner>444455556666</transitGatewayAttachmentOwner>";

    fn answer(list: &str) -> String {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeVpcEndpointConnectionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>r</requestId><vpcEndpointConnectionSet>{list}</vpcEndpointConnectionSet>
    <nextToken>t</nextToken></DescribeVpcEndpointConnectionsResponse>"#
        )
    }

    fn ids(xml: &str) -> Vec<Option<String>> {
        let items = named(xml.as_bytes()).unwrap();
        items.into_iter().map(|item| item.id).collect()
    }

    fn some(id: &str) -> Option<String> {
        Some(id.to_owned())
    }

    #[test]
    fn each_item_is_read_alone() {
        let list = format!(
            "<item>{ENDPOINT}</item><item>{ID}{OWNER}</item>\n<item>{OWNER}{ENDPOINT}{ID}</item><item/>"
        );
        let items = named(answer(&list).as_bytes()).unwrap();
        let attachment = Named {
            id: some("tgw-attach-1"),
            owner: some("444455556666"),
        };
        let none = Named::default();
        assert_eq!(items, [none.clone(), attachment.clone(), attachment, none]);
        assert_eq!(ids(&answer("")), []);
        let empty = answer("").replace("></vpcEndpointConnectionSet>", "/>");
        assert_eq!(ids(&empty), []);
    }

    #[test]
    fn the_element_is_found_in_any_spelling() {
        for id in [
            ID.to_owned(),
            ID.replace("transit", "ec2:transit"),
            ID.replace("<transit", "<Transit")
                .replace("</transit", "</Transit"),
            ID.replace("Id>tgw", "Id xsi:type=\"string\">tgw"),
            ID.replace("tgw-attach-1", "<![CDATA[tgw-attach-1]]>"),
            ID.replace("tgw-attach-1", "tgw-<!-- so -->attach-1"),
            ID.replace("tgw-attach-1", "<value>tgw-attach-1</value>"),
            format!("<attachment><again>{ID}</again></attachment>"),
        ] {
            let list = format!("<item>{ENDPOINT}{id}</item><item>{ENDPOINT}</item>");
            assert_eq!(ids(&answer(&list)), [some("tgw-attach-1"), None], "{id}");
        }
        let list = ID.replace("tgw-attach-1", "&#x74;gw&amp;");
        assert_eq!(
            ids(&answer(&format!("<item>{list}</item>"))),
            [some("&#x74;gw&amp;")]
        );
    }

    #[test]
    fn an_empty_element_names_no_attachment() {
        for empty in [
            "<transitGatewayAttachmentId/>",
            "<transitGatewayAttachmentId></transitGatewayAttachmentId>",
            "<tgw>transitGatewayAttachmentId</tgw>",
            "<description>&lt;transitGatewayAttachmentId&gt;</description>",
        ] {
            let list = format!("<item>{ENDPOINT}{empty}</item>");
            assert_eq!(ids(&answer(&list)), [None], "{empty}");
        }
    }

    #[test]
    fn only_the_lists_own_items_count() {
        let list = format!(
            "<item>{ENDPOINT}<dnsEntrySet><item><dnsName>d</dnsName></item><item/></dnsEntrySet></item>"
        );
        assert_eq!(ids(&answer(&list)), [None]);
        let elsewhere = answer("").replace(
            "<requestId>",
            &format!("<x><item>{ID}</item></x><requestId>"),
        );
        assert_eq!(ids(&elsewhere), []);
    }

    #[test]
    fn incomplete_xml_is_refused() {
        let whole = answer(&format!(
            "<item>{ENDPOINT}</item><item>{ENDPOINT}{ID}</item>"
        ));
        let end = whole.rfind("</").unwrap();
        for cut in (0..=end).filter(|at| whole.is_char_boundary(*at)) {
            assert!(named(&whole.as_bytes()[..cut]).is_err(), "cut at {cut}");
        }
        for broken in [
            whole.replacen("</item>", "", 1),
            whole.replacen("</item>", "</itm>", 1),
            whole.replacen("<item>", "<item", 1),
            whole.replacen(ENDPOINT, "<vpcEndpointId>", 1),
            "\u{0}".to_owned(),
        ] {
            assert!(named(broken.as_bytes()).is_err(), "{broken}");
        }
        assert!(named(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn an_answer_that_the_sdk_reads_otherwise_is_refused() {
        let xml = answer("<item/>");
        let read = |count| items(xml.as_bytes(), count);
        assert_eq!(read(1).unwrap().len(), 1);
        for count in [0, 2] {
            assert!(matches!(read(count), Err(Unread::OtherCount { .. })));
        }
    }
}
