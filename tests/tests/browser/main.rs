//! What people see, in a real browser: headless Chromium, driven by its own driver.
//!
//! Where neither is installed, these tests are skipped and say so once; with
//! `GATEKEEPER_REQUIRE_BROWSER=1` that is a failure instead.
//!
//! | module | what |
//! | --- | --- |
//! | `driver` | a chromedriver of one's own, which ends with its browsers when the test does |
//! | `browser` | a browser: what a person does in it, and how it is set up |
//! | `checks` | what holds for every page: contrast, keyboard, no scrolling sideways |
//! | `exchange` | HTTP without a browser |
//! | `approvals` | approvers' links |
//! | `local_page` | the local world's page |

// mod approvals;
// mod browser;
// mod checks;
// mod driver;
// mod exchange;
// mod local_page;
