//! What holds for every page.

use serde_json::Value;

use crate::browser::Browser;
use crate::webdriver::key;

/// The least contrast of text, by WCAG 2.2, criterion 1.4.3. Large text may have less; these pages do not
/// use that.
/// <https://www.w3.org/TR/WCAG22/#contrast-minimum>
const CONTRAST: f64 = 4.5;

impl Browser {
    /// Holds that a page can be read in windows of these sizes, in light and dark, and that everything in it
    /// has a name.
    pub(crate) async fn assert_everybody_can_read_it(&self, sizes: &[(u32, u32)]) {
        for size in sizes {
            self.resize(*size).await;
            self.assert_nothing_sticks_out().await;
            for dark in [false, true] {
                self.set_dark(dark).await;
                self.assert_texts_can_be_read().await;
                self.assert_axe_finds_nothing().await;
            }
        }
        self.assert_everything_has_a_name().await;
    }

    /// Holds that nothing is wider than the window.
    async fn assert_nothing_sticks_out(&self) {
        let out = self
            .eval(
                "const width = document.documentElement.clientWidth;
                 if (document.documentElement.scrollWidth <= width) return [];
                 return [...document.body.querySelectorAll('*')]
                     .filter((one) => one.getBoundingClientRect().right > width + 0.5)
                     .map((one) => one.outerHTML.slice(0, 200));",
            )
            .await;
        assert_eq!(out, Value::Array(Vec::new()), "sticks out of the window");
    }

    /// Holds that every text has enough contrast with the colour behind it.
    async fn assert_texts_can_be_read(&self) {
        let script = format!(
            "const context = document.createElement('canvas').getContext('2d', {{ willReadFrequently: true }});
             // The canvas turns each notation of a colour into red, green, blue and alpha.
             const rgba = (colour) => {{
                 context.clearRect(0, 0, 1, 1);
                 context.fillStyle = colour;
                 context.fillRect(0, 0, 1, 1);
                 const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
                 return [r, g, b, a / 255];
             }};
             const over = ([r, g, b, a], [r2, g2, b2]) =>
                 [r * a + r2 * (1 - a), g * a + g2 * (1 - a), b * a + b2 * (1 - a), 1];
             const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
             const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
             const behind = (element) => {{
                 const layers = [];
                 for (let one = element; one; one = one.parentElement)
                     layers.push(rgba(getComputedStyle(one).backgroundColor));
                 const canvas = matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
                 return layers.reverse().reduce((below, layer) => over(layer, below), canvas);
             }};
             const found = [];
             const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
             const check = (element, colour, text) => {{
                 const back = behind(element);
                 const [one, other] = [light(over(rgba(colour), back)), light(back)].sort((a, b) => b - a);
                 const contrast = (one + 0.05) / (other + 0.05);
                 if (contrast < {CONTRAST}) found.push(`${{contrast.toFixed(2)}}: ${{text.trim().slice(0, 60)}}`);
             }};
             let texts = 0;
             while (walker.nextNode()) {{
                 const text = walker.currentNode.data, element = walker.currentNode.parentElement;
                 if (!text.trim() || !element.checkVisibility()) continue;
                 texts += 1;
                 check(element, getComputedStyle(element).color, text);
             }}
             for (const field of document.querySelectorAll('input[placeholder]'))
                 if (field.checkVisibility() && !field.value)
                     check(field, getComputedStyle(field, '::placeholder').color, field.placeholder);
             return texts > 0 ? found : ['no text at all'];"
        );
        let found = self.eval(&script).await;
        assert_eq!(found, Value::Array(Vec::new()), "too little contrast");
    }

    /// Holds that the page can be used without a mouse: from the top of the page, the tab key leads to
    /// every control once, and the control that has the focus shows it.
    pub(crate) async fn assert_keyboard_reaches_everything(&self) {
        self.eval(
            "document.activeElement?.blur();
             getSelection().removeAllRanges();
             const group = (one) => one.form?.id + one.name;
             const usable = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex=\"0\"]';
             window.unreached = new Set();
             for (const one of document.querySelectorAll(usable))
                 // The tab key leads to one radio button of a group.
                 if (one.checkVisibility({ visibilityProperty: true }) && !one.disabled && !(one.type === 'radio'
                     && [...window.unreached].some((other) => other.type === 'radio' && group(other) === group(one))))
                     window.unreached.add(one);",
        )
        .await;
        let total = self.eval("return window.unreached.size").await;
        let total = total.as_u64().unwrap();
        assert!(total > 0, "there is nothing to use on this page");
        // The first key press moves the focus to the beginning of the document.
        for _ in 0..total + 1 {
            self.press(key::TAB).await;
            let seen = self
                .eval(
                    "const one = document.activeElement;
                     if (one === document.body) return '';
                     for (const other of window.unreached)
                         // In a group, it leads to the radio button that is chosen, or else to the first.
                         if (other === one || other.type === 'radio' && one.type === 'radio'
                             && other.form === one.form && other.name === one.name)
                             window.unreached.delete(other);
                     // A radio button in a card shows the focus at its label.
                     const shows = [one, one.closest('label')].some((element) => {
                         const style = element && getComputedStyle(element);
                         return style && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
                     });
                     return shows ? '' : one.outerHTML.slice(0, 200);",
                )
                .await;
            assert_eq!(seen, "", "does not show that it has the focus");
        }
        let left = self
            .eval("return [...window.unreached].map((one) => one.outerHTML.slice(0, 200))")
            .await;
        assert_eq!(
            left,
            Value::Array(Vec::new()),
            "the tab key does not lead there"
        );
    }

    /// Holds that every field has a label, every button and link a name, and the page a language, a
    /// title, one main heading and no id twice.
    async fn assert_everything_has_a_name(&self) {
        let found = self
            .eval(
                "const found = [];
                 const named = (one) => one.innerText?.trim() || one.getAttribute('aria-label')
                     || [...(one.labels ?? [])].some((label) => label.innerText.trim());
                 for (const one of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea'))
                     if (one.checkVisibility() && !named(one)) found.push(one.outerHTML.slice(0, 200));
                 if (!document.documentElement.lang) found.push('no language');
                 if (!document.title) found.push('no title');
                 if (document.querySelectorAll('h1').length !== 1) found.push('not one main heading');
                 const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
                 for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) found.push(`twice: ${id}`);
                 return found;",
            )
            .await;
        assert_eq!(found, Value::Array(Vec::new()));
    }
}
