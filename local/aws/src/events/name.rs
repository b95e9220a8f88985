//! Names of rules and buses, as the model has them.

use super::errors;
use crate::caller::Caller;
use crate::error::AwsError;

/// The bus of AWS's own events, in every account and Region.
pub(crate) const DEFAULT_BUS: &str = "default";

/// A rule's name: 1 to 64 of `[\.\-_A-Za-z0-9]`.
pub(crate) fn check_rule(name: &str, parameter: &str) -> Result<(), AwsError> {
    check(name, parameter, 64, &['.', '-', '_'], r"[\.\-_A-Za-z0-9]+")
}

/// A bus's name: 1 to 256 of `[/\.\-_A-Za-z0-9]`.
pub(crate) fn check_bus(name: &str) -> Result<(), AwsError> {
    let others = ['/', '.', '-', '_'];
    check(name, "eventBusName", 256, &others, r"[/\.\-_A-Za-z0-9]+")
}

fn check(
    name: &str,
    parameter: &str,
    longest: usize,
    others: &[char],
    pattern: &str,
) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || others.contains(&c);
    let rule = if name.is_empty() {
        "have length greater than or equal to 1".to_owned()
    } else if name.len() > longest {
        format!("have length less than or equal to {longest}")
    } else if !name.chars().all(allowed) {
        format!("satisfy regular expression pattern: {pattern}")
    } else {
        return Ok(());
    };
    Err(errors::constraint(format!("'{name}'"), parameter, &rule))
}

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
    use super::{check_bus, check_rule, rule_arn};

    #[test]
    fn names_have_their_forms() {
        for (name, rule, bus) in [
            ("connection-events_1.x", true, true),
            ("a/b", false, true),
            ("a b", false, false),
            ("", false, false),
            (&"x".repeat(64), true, true),
            (&"x".repeat(65), false, true),
            (&"x".repeat(257), false, false),
        ] {
            assert_eq!(check_rule(name, "name").is_ok(), rule, "{name}");
            assert_eq!(check_bus(name).is_ok(), bus, "{name}");
        }
    }

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
