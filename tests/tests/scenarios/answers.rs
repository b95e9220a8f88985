//! Answers of EC2 that its simulator does not give: those of a later API, and unexpected ones.

use std::sync::Arc;

use gatekeeper_local::world::World;
use local_aws::OnAnswer;

use crate::support::*;

const DESCRIBE: &str = "DescribeVpcEndpointConnections";

/// Changes every list of connections.
pub(crate) fn lists(world: &World, change: impl Fn(&str) -> String + Send + Sync + 'static) {
    answers(world, DESCRIBE, change);
}

/// Changes every answer to an action.
pub(crate) fn answers(
    world: &World,
    action: &'static str,
    change: impl Fn(&str) -> String + Send + Sync + 'static,
) {
    let hook = move |called: &str, document: Option<&str>| {
        document.filter(|_| called == action).map(&change)
    };
    world.ec2.set_on_answer(Some(Arc::new(hook) as OnAnswer));
}

/// Makes EC2 answer like its simulator again.
pub(crate) fn as_ever(world: &World) {
    world.ec2.set_on_answer(None);
}

/// Changes the connection of the endpoint `n`, if a list has it.
pub(crate) fn of_endpoint(list: &str, n: u32, change: impl Fn(&str) -> String) -> String {
    let id = format!("<vpcEndpointId>{}</vpcEndpointId>", endpoint(n));
    let Some(at) = list.find(&id) else {
        return list.to_owned();
    };
    let start = list[..at].rfind("<serviceId>").unwrap();
    let last = "</vpcEndpointRegion>";
    let end = at + list[at..].find(last).unwrap() + last.len();
    format!(
        "{}{}{}",
        &list[..start],
        change(&list[start..end]),
        &list[end..]
    )
}

/// An item with other text in a field.
pub(crate) fn with(item: &str, field: &str, text: &str) -> String {
    let (before, rest) = item.split_once(&format!("<{field}>")).unwrap();
    let (_, after) = rest.split_once(&format!("</{field}>")).unwrap();
    format!("{before}<{field}>{text}</{field}>{after}")
}

/// An item without a field.
pub(crate) fn without(item: &str, field: &str) -> String {
    let empty = format!("<{field}></{field}>");
    with(item, field, "").replace(&empty, "")
}
