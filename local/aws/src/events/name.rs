//! ARNs of rules and buses.

use crate::caller::Caller;

/// The bus of AWS's own events, in every account and Region.
pub(crate) const DEFAULT_BUS: &str = "default";

/// The ARN of a rule. On the default bus, the bus is not in it.
pub(crate) fn rule_arn(account: &str, region: &str, bus: &str, name: &str) -> String {
    let bus = if bus == DEFAULT_BUS {
        String::new()
    } else {
        format!("{bus}/")
    };
    format!("arn:aws:events:{region}:{account}:rule/{bus}{name}")
}

/// The ARN of a bus. `bus` is an ARN, or a name in the caller's account and Region.
pub(crate) fn bus_arn(caller: &Caller, bus: &str) -> String {
    if bus.starts_with("arn:") {
        return bus.to_owned();
    }
    let Caller {
        account, region, ..
    } = caller;
    format!("arn:aws:events:{region}:{account}:event-bus/{bus}")
}

#[cfg(test)]
mod tests {
    use super::rule_arn;

    #[test]
    fn arns_leave_out_the_default_bus() {
        let arn = |bus| rule_arn("123456789012", "eu-west-1", bus, "r");
        assert_eq!(
            arn("default"),
            "arn:aws:events:eu-west-1:123456789012:rule/r"
        );
        assert_eq!(arn("b"), "arn:aws:events:eu-west-1:123456789012:rule/b/r");
    }
}
