//! The forms of ids: the patterns of Organizations' model.

use std::ops::RangeInclusive;

fn is_token(text: &str, len: RangeInclusive<usize>) -> bool {
    len.contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'))
}

/// `o-` and 10 to 32 lowercase letters or digits.
pub(crate) fn is_organization(id: &str) -> bool {
    id.strip_prefix("o-")
        .is_some_and(|rest| is_token(rest, 10..=32))
}

/// `r-` and 4 to 32 lowercase letters or digits.
pub(crate) fn is_root(id: &str) -> bool {
    id.strip_prefix("r-")
        .is_some_and(|rest| is_token(rest, 4..=32))
}

/// `ou-`, the id of the root without its `r-`, `-`, and 8 to 32 lowercase letters or digits.
pub(crate) fn is_ou(id: &str) -> bool {
    let parts = id.strip_prefix("ou-").and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(root, rest)| is_token(root, 4..=32) && is_token(rest, 8..=32))
}

#[cfg(test)]
mod tests {
    use super::{is_organization, is_ou, is_root};

    #[test]
    fn ids_have_their_forms() {
        for (id, organization, root, ou) in [
            ("o-a1b2c3d4e5", true, false, false),
            ("o-a1b2c3d4e", false, false, false),
            ("o-A1b2c3d4e5", false, false, false),
            ("r-ab12", false, true, false),
            ("r-ab1", false, false, false),
            ("r-ab-2", false, false, false),
            ("ou-ab12-11111111", false, false, true),
            ("ou-ab12-1111111", false, false, false),
            ("ou-ab1-11111111", false, false, false),
            ("ou-11111111", false, false, false),
            ("ou-ab12-11111111-1", false, false, false),
            ("012345678901", false, false, false),
            ("", false, false, false),
        ] {
            let seen = (is_organization(id), is_root(id), is_ou(id));
            assert_eq!(seen, (organization, root, ou), "{id}");
        }
        assert!(is_root(&format!("r-{}", "a".repeat(32))));
        assert!(!is_root(&format!("r-{}", "a".repeat(33))));
    }
}
