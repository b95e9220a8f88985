//! Reads one item of EC2's list of connections: as the connection of an endpoint, as part of a
//! Transit Gateway attachment, or not at all.

use std::fmt;

use jiff::Timestamp;

use crate::attachment::Attachment;
use crate::connection::{Connection, ConnectionState, Phase};
use crate::ids::{EndpointId, InvalidId, Region, ServiceId};

/// One item of EC2's list, in EC2's words.
#[derive(Debug, Clone, Copy, Default)]
pub struct Item<'a> {
    /// `serviceId`.
    pub service_id: Option<&'a str>,
    /// `vpcEndpointId`.
    pub endpoint_id: Option<&'a str>,
    /// `vpcEndpointOwner`.
    pub owner: Option<&'a str>,
    /// `vpcEndpointRegion`.
    pub region: Option<&'a str>,
    /// `vpcEndpointState`.
    pub state: Option<&'a str>,
    /// `creationTimestamp`.
    pub created_at: Option<Timestamp>,
    /// `vpcEndpointConnectionId`.
    pub connection_id: Option<&'a str>,
    /// `transitGatewayAttachmentId`.
    pub attachment_id: Option<&'a str>,
    /// `transitGatewayAttachmentOwner`.
    pub attachment_owner: Option<&'a str>,
}

/// The kind of an item in EC2's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The connection of an endpoint, which can be judged.
    Connection(Connection),
    /// Part of an attachment, no matter what else it says.
    Attachment(Attachment),
    /// Unreadable for this version.
    Unreadable(Unreadable),
}

/// An item that cannot be read. Its connection exists and is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// EC2's name for it.
    pub name: String,
    /// The service, if that can be read.
    pub service_id: Option<ServiceId>,
    /// The endpoint, if that can be read.
    pub endpoint_id: Option<EndpointId>,
    /// EC2's name of the first field that cannot be read.
    pub field: &'static str,
    /// What is wrong with the field. Its text is shown with control characters escaped, and
    /// shortened.
    pub why: String,
    /// When it was created, if EC2 said so.
    pub created_at: Option<Timestamp>,
    /// Whether EC2 says that it has ended, so that nobody waits for a decision.
    pub has_ended: bool,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

/// Reads an item. `home` is the service's own Region, which counts if the item names none.
#[must_use]
pub fn read(item: &Item<'_>, home: &Region) -> Read {
    if given(item.attachment_id).is_some() || given(item.attachment_owner).is_some() {
        return Read::Attachment(Attachment {
            name: name(item),
            endpoint_id: endpoint_id(item),
            state: item.state.unwrap_or_default().to_owned().into(),
            created_at: item.created_at,
        });
    }
    match connection(item, home) {
        Ok(connection) => Read::Connection(connection),
        Err((field, why)) => Read::Unreadable(Unreadable {
            name: name(item),
            service_id: item.service_id.and_then(|id| id.parse().ok()),
            endpoint_id: endpoint_id(item),
            field,
            why,
            created_at: item.created_at,
            has_ended: item.state.is_some_and(|state| {
                ConnectionState::from(state.to_owned()).phase() == Phase::Ended
            }),
        }),
    }
}

type Wrong = (&'static str, String);

fn connection(item: &Item<'_>, home: &Region) -> Result<Connection, Wrong> {
    Ok(Connection {
        endpoint_id: parsed("vpcEndpointId", item.endpoint_id)?,
        service_id: parsed("serviceId", item.service_id)?,
        owner: parsed("vpcEndpointOwner", item.owner)?,
        region: match item.region {
            Some(_) => parsed("vpcEndpointRegion", item.region)?,
            None => home.clone(),
        },
        state: known_state(item.state)?,
        created_at: item.created_at,
    })
}

fn parsed<T>(field: &'static str, text: Option<&str>) -> Result<T, Wrong>
where
    T: std::str::FromStr<Err = InvalidId>,
{
    match text {
        Some(text) => text
            .parse()
            .map_err(|why: InvalidId| (field, why.to_string())),
        None => Err((field, "is missing".to_owned())),
    }
}

fn known_state(text: Option<&str>) -> Result<ConnectionState, Wrong> {
    const FIELD: &str = "vpcEndpointState";
    match text.map(|text| ConnectionState::from(text.to_owned())) {
        None => Err((FIELD, "is missing".to_owned())),
        // It may wait, or be connected.
        Some(ConnectionState::Unknown(text)) => {
            let why = InvalidId::new(&text, "a state that this version knows");
            Err((FIELD, why.to_string()))
        }
        Some(state) => Ok(state),
    }
}

fn endpoint_id(item: &Item<'_>) -> Option<EndpointId> {
    item.endpoint_id?.parse().ok()
}

/// EC2's name for an item. It is logged and remembered, so it is short and holds no control
/// character.
fn name(item: &Item<'_>) -> String {
    const LONGEST: usize = 80;
    let names = [item.attachment_id, item.endpoint_id, item.connection_id];
    let owners = [item.attachment_owner, item.owner];
    let mut all = names.into_iter().chain(owners).filter_map(given);
    let name = all.next().unwrap_or("?");
    name.escape_debug().take(LONGEST).collect()
}

/// A text that is not empty.
fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    const TGW: &str = "tgw-attach-0123456789abcdef0";

    fn sound() -> Item<'static> {
        Item {
            service_id: Some("vpce-svc-0a1b2c3d4e5f60718"),
            endpoint_id: Some("vpce-0123456789abcdef0"),
            owner: Some("012345678901"),
            region: Some("eu-central-1"),
            state: Some("pendingAcceptance"),
            created_at: Some(at(0)),
            connection_id: Some("vpce-con-0123456789abcdef0"),
            ..Item::default()
        }
    }

    fn home() -> Region {
        "eu-west-1".parse().unwrap()
    }

    #[test]
    fn an_endpoints_connection_is_read_whole() {
        let Read::Connection(connection) = read(&sound(), &home()) else {
            panic!("a connection");
        };
        assert_eq!(connection.owner.as_str(), "012345678901");
        assert_eq!(connection.region.as_str(), "eu-central-1");
        assert_eq!(connection.created_at, Some(at(0)));
        // EC2 leaves the Region out for endpoints in the service's own.
        let item = Item {
            region: None,
            ..sound()
        };
        let Read::Connection(connection) = read(&item, &home()) else {
            panic!("a connection");
        };
        assert_eq!(connection.region, home());
    }

    #[test]
    fn each_field_that_cannot_be_read_is_named_with_its_text() {
        type Spoil = fn(&mut Item<'static>);
        let table: [(Spoil, &str, &str); 12] = [
            (|i| i.endpoint_id = None, "vpcEndpointId", "is missing"),
            (|i| i.endpoint_id = Some(""), "vpcEndpointId", r#""""#),
            (
                |i| i.endpoint_id = Some("vpce-X"),
                "vpcEndpointId",
                r#""vpce-X""#,
            ),
            (|i| i.service_id = None, "serviceId", "is missing"),
            (|i| i.service_id = Some("svc"), "serviceId", r#""svc""#),
            (|i| i.owner = None, "vpcEndpointOwner", "is missing"),
            (
                |i| i.owner = Some("12345678901"),
                "vpcEndpointOwner",
                r#""12345678901""#,
            ),
            (|i| i.region = Some(""), "vpcEndpointRegion", r#""""#),
            (
                |i| i.region = Some("EU (Ireland)"),
                "vpcEndpointRegion",
                r#""EU (Ireland)""#,
            ),
            (|i| i.state = None, "vpcEndpointState", "is missing"),
            (
                |i| i.state = Some("awaiting"),
                "vpcEndpointState",
                r#""awaiting""#,
            ),
            (
                |i| i.state = Some("a\u{1b}[2J\nb"),
                "vpcEndpointState",
                r#""a\u{1b}[2J\nb""#,
            ),
        ];
        for (spoil, field, shown) in table {
            let mut item = sound();
            spoil(&mut item);
            let Read::Unreadable(unreadable) = read(&item, &home()) else {
                panic!("{field} {shown}");
            };
            assert_eq!(unreadable.field, field);
            assert!(unreadable.why.contains(shown), "{unreadable} lacks {shown}");
            assert_eq!(unreadable.created_at, Some(at(0)));
            assert!(!unreadable.has_ended);
            assert_ne!(unreadable.name, "?");
        }
    }

    #[test]
    fn the_message_about_a_long_text_is_short() {
        let long = "x".repeat(100_000);
        let item = Item {
            state: Some(&long),
            endpoint_id: Some(&long),
            ..sound()
        };
        let Read::Unreadable(unreadable) = read(&item, &home()) else {
            panic!("unreadable");
        };
        assert!(unreadable.to_string().len() < 250);
        assert!(unreadable.name.len() < 100);
        let item = Item {
            endpoint_id: Some("vpce-\u{1b}[2J"),
            ..sound()
        };
        let Read::Unreadable(unreadable) = read(&item, &home()) else {
            panic!("unreadable");
        };
        assert_eq!(unreadable.name, r"vpce-\u{1b}[2J");
    }

    #[test]
    fn an_ended_connection_waits_for_nobody_even_if_it_cannot_be_read() {
        for (state, ended) in [
            ("Deleted", true),
            ("failed", true),
            ("pendingAcceptance", false),
            ("available", false),
            ("rejected", false),
            ("awaiting", false),
        ] {
            let item = Item {
                owner: None,
                state: Some(state),
                ..sound()
            };
            let Read::Unreadable(unreadable) = read(&item, &home()) else {
                panic!("unreadable");
            };
            assert_eq!(unreadable.has_ended, ended, "{state}");
        }
    }

    #[test]
    fn an_item_that_names_an_attachment_is_never_an_endpoints_connection() {
        for item in [
            Item {
                attachment_id: Some(TGW),
                ..sound()
            },
            Item {
                attachment_id: Some(TGW),
                attachment_owner: Some("012345678901"),
                endpoint_id: None,
                owner: None,
                ..sound()
            },
            // In an unpublished form.
            Item {
                attachment_id: Some("tgw/0?"),
                ..sound()
            },
            Item {
                attachment_owner: Some("012345678901"),
                ..sound()
            },
            // Other oddities of the item change nothing.
            Item {
                attachment_id: Some(TGW),
                service_id: None,
                state: None,
                region: Some("?"),
                ..sound()
            },
        ] {
            assert!(
                matches!(read(&item, &home()), Read::Attachment(_)),
                "{item:?}"
            );
        }
        // An empty element does not make an endpoint an attachment.
        for empty in ["", " \n"] {
            let item = Item {
                attachment_id: Some(empty),
                attachment_owner: Some(empty),
                ..sound()
            };
            assert!(matches!(read(&item, &home()), Read::Connection(_)));
        }
    }

    #[test]
    fn an_attachment_has_one_name_in_all_of_its_zones() {
        let zone = |endpoint_id| {
            let item = Item {
                attachment_id: Some(TGW),
                endpoint_id: Some(endpoint_id),
                ..sound()
            };
            match read(&item, &home()) {
                Read::Attachment(attachment) => attachment,
                other => panic!("{other:?}"),
            }
        };
        let (one, two) = (
            zone("vpce-0123456789abcdef0"),
            zone("vpce-0123456789abcdef1"),
        );
        assert_eq!(one.name, two.name);
        assert_ne!(one.endpoint_id, two.endpoint_id);
    }
}
