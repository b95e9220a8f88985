//! Axe-core's rules for accessible pages.
//!
//! `GATEKEEPER_AXE` names its `axe.min.js`, which .ci/run installs. Where the variable is not set, these
//! rules are skipped, and that is said once; with `GATEKEEPER_REQUIRE_AXE=1` it is a failure instead.

use std::sync::LazyLock;

use gatekeeper_aws::bootstrap::environment;

use crate::browser::Browser;
use crate::skip::{Missing, Optional};

static AXE: Optional = Optional::new("axe-core's rules", "GATEKEEPER_REQUIRE_AXE");

static SOURCE: LazyLock<Result<String, Missing>> = LazyLock::new(|| {
    let Some(file) = environment("GATEKEEPER_AXE").filter(|file| !file.is_empty()) else {
        return Err(Missing(
            "GATEKEEPER_AXE does not name an axe.min.js".to_owned(),
        ));
    };
    match std::fs::read_to_string(&file) {
        Ok(source) => Ok(source),
        Err(error) => panic!("GATEKEEPER_AXE={file}: {error}"),
    }
});

/// Runs the rules of WCAG 2.2, levels A and AA, and those of best practice. `target-size`, of WCAG 2.2, is
/// off by default.
/// <https://www.deque.com/axe/core-documentation/api-documentation/#axecore-tags>
const RUN: &str = "
    const done = arguments[arguments.length - 1];
    const options = {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice'],
        rules: { 'target-size': { enabled: true } },
        resultTypes: ['violations'],
    };
    const findings = (rule) => rule.nodes.map((node) => {
        const why = [...node.any, ...node.all, ...node.none].map((check) => check.message);
        return `${rule.id} (${rule.impact}): ${rule.help}\\n    ${node.html}\\n    ${why.join('; ')}`;
    });
    axe.run(document, options).then(
        ({ violations, passes }) => done(passes.length > 0 ? violations.flatMap(findings) : ['no rule applied']),
        (error) => done([`axe-core failed: ${error}`]),
    );";

const WITHOUT_JAVASCRIPT: &str = "return matchMedia('(scripting: none)').matches";

impl Browser {
    /// Holds that the page breaks none of axe-core's rules, as it is shown now.
    pub(crate) async fn assert_axe_finds_nothing(&self) {
        match &*SOURCE {
            Ok(source) => {
                let found = self.axe_finds(source).await;
                let width = self.eval("return innerWidth").await;
                assert!(
                    found.is_empty(),
                    "axe-core, on a page that is {width} pixels wide:\n{}",
                    found.join("\n")
                );
            }
            Err(missing) => AXE.skip(missing),
        }
    }

    async fn axe_finds(&self, source: &str) -> Vec<String> {
        if self.eval("return !window.axe").await == true {
            self.eval(source).await;
        }
        // axe-core waits for promises, which are settled only where scripts may run.
        let without_javascript = self.eval(WITHOUT_JAVASCRIPT).await == true;
        self.set_javascript(true).await;
        let found = self.eval_async(RUN).await;
        self.set_javascript(!without_javascript).await;
        let found = found.as_array().unwrap().iter();
        found.map(|one| one.as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn axe_core_finds_violations_of_each_kind_of_rule() {
    let Some(browser) = Browser::open().await else {
        return;
    };
    let source = match &*SOURCE {
        Ok(source) => source,
        Err(missing) => return AXE.skip(missing),
    };
    let page = "<title>A page</title><main><img src='x'><p style='color:silver'>Pale</p>\
                <button style='width:9px'>1</button><button style='width:9px'>2</button></main>";
    browser.goto(&format!("data:text/html,{page}")).await;
    let found = browser.axe_finds(source).await.join("\n");
    for finding in [
        // WCAG 2.0 A, and the element; 2.0 AA; 2.2 AA; best practice.
        "image-alt (critical): Images must have alternative text\n    <img src=\"x\">",
        "color-contrast (serious): ",
        "target-size (serious): ",
        "page-has-heading-one (moderate): ",
    ] {
        assert!(found.contains(finding), "{finding}: {found}");
    }
}
