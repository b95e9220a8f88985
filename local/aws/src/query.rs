use std::collections::BTreeMap;

/// The parameters of one call of the AWS Query protocol, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// From the query string and the form of a request. A later one does not replace an earlier one.
    pub(crate) fn parse(query: Option<&str>, body: &[u8]) -> Self {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(
            query
                .chain(form_urlencoded::parse(body))
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The first one of this name; it may be empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first one of this name that is not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The values of a list, `name.1`, `name.2`, … or `name.member.1`, …, by their numbers, which may have gaps.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.items(name)
            .into_iter()
            .filter_map(|item| item.get("").map(str::to_owned))
            .collect()
    }

    /// The structures of a list (`name.1.A`, `name.member.1.A`) or the entries of a map (`name.entry.1.key`).
    pub(crate) fn items(&self, name: &str) -> Vec<Params> {
        let mut items: BTreeMap<u32, Params> = BTreeMap::new();
        for (key, value) in &self.0 {
            let Some(rest) = key
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.'))
            else {
                continue;
            };
            let rest = rest
                .strip_prefix("member.")
                .or_else(|| rest.strip_prefix("entry."))
                .unwrap_or(rest);
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                let item = items.entry(number).or_default();
                item.0.push((field.to_owned(), value.clone()));
            }
        }
        items.into_values().collect()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Params;

    #[test]
    fn lists_structures_and_maps() {
        let params = Params::parse(
            Some("Action=X"),
            b"Id.2=b&Id.10=c&Id.1=a%20%2B&M.member.1=m&Filter.1.Name=n&Filter.1.Value.1=v&Filter.1.Value.2=w\
              &A.entry.1.key=k&A.entry.1.value=&Idle.1=no&Id.x=no&Empty=",
        );
        assert_eq!(params.get("Action"), Some("X"));
        assert_eq!(params.list("Id"), ["a +", "b", "c"]);
        assert_eq!(params.list("M"), ["m"]);
        let filters = params.items("Filter");
        assert_eq!(filters.len(), 1);
        assert_eq!(filters[0].get("Name"), Some("n"));
        assert_eq!(filters[0].list("Value"), ["v", "w"]);
        assert_eq!(params.items("A")[0].get("value"), Some(""));
        assert_eq!(
            (params.get("Empty"), params.filled("Empty")),
            (Some(""), None)
        );
        assert!(params.list("Nothing").is_empty());
    }
}
