//! Turns what is shown into what the server drew anew, touching only what differs: focus, selection, scrolling and what
//! somebody has opened stay as they are.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlInputElement, HtmlTemplateElement, Node};

/// Puts `html` in place. Each part of it whose id is on the page goes to the element with that id, and parts that are not on
/// this page are left out; when none is, the children of `place` become those of `html`.
pub fn put(document: &Document, place: &Element, html: &str) {
    let Some(fresh) = parse(document, html) else { return };
    let parts: Vec<Element> = elements(&fresh);
    let homes: Vec<Option<Element>> = parts.iter().map(|part| Some(part.id()).filter(|id| !id.is_empty()).and_then(|id| document.get_element_by_id(&id))).collect();
    if homes.iter().all(Option::is_none) {
        children(place, &fresh);
    }
    for (home, part) in homes.iter().zip(&parts) {
        if let Some(home) = home {
            morph(home, part);
        }
    }
}

/// Takes the element with this id out of a whole page and puts it where the same one is here.
pub fn take(document: &Document, html: &str, id: &str) {
    let found = parse(document, html).and_then(|page| page.unchecked_into::<web_sys::DocumentFragment>().get_element_by_id(id));
    if let (Some(part), Some(home)) = (found, document.get_element_by_id(id)) {
        morph(&home, &part);
    }
}

/// Scripts in a template never run.
fn parse(document: &Document, html: &str) -> Option<Node> {
    let template = document.create_element("template").ok()?.dyn_into::<HtmlTemplateElement>().ok()?;
    template.set_inner_html(html);
    Some(template.content().unchecked_into())
}

fn elements(node: &Node) -> Vec<Element> {
    nodes(node).into_iter().filter_map(|node| node.dyn_into().ok()).collect()
}

fn nodes(node: &Node) -> Vec<Node> {
    let list = node.child_nodes();
    (0..list.length()).filter_map(|at| list.get(at)).collect()
}

fn morph(old: &Element, new: &Element) {
    if old.is_equal_node(Some(new)) {
        return;
    }
    attributes(old, new);
    children(old, new);
}

fn attributes(old: &Element, new: &Element) {
    // What somebody has opened or closed is theirs.
    let theirs = |name: &str| name == "open" && old.tag_name() == "DETAILS";
    for name in new.get_attribute_names().iter().filter_map(|name| name.as_string()) {
        let value = new.get_attribute(&name);
        let before = old.get_attribute(&name);
        if !theirs(&name) && before != value {
            if name == "value"
                && let Some(input) = old.dyn_ref::<HtmlInputElement>()
                && before.as_deref() == Some(input.value().as_str())
            {
                // Once somebody typed into it, it would not follow by itself; what they typed since stays.
                input.set_value(value.as_deref().unwrap_or_default());
            }
            // Names come from parsed HTML, so none is refused.
            let _ = old.set_attribute(&name, value.as_deref().unwrap_or_default());
        }
    }
    for name in old.get_attribute_names().iter().filter_map(|name| name.as_string()) {
        if !theirs(&name) && !new.has_attribute(&name) {
            let _ = old.remove_attribute(&name);
        }
    }
}

fn children(old: &Node, new: &Node) {
    let mut left = nodes(old).into_iter();
    for fresh in nodes(new) {
        match left.next() {
            Some(old_child) => one(old, &old_child, &fresh),
            None => drop(old.append_child(&fresh)),
        }
    }
    for rest in left {
        let _ = old.remove_child(&rest);
    }
}

fn one(parent: &Node, old: &Node, new: &Node) {
    if old.node_type() == new.node_type() && old.node_name() == new.node_name() {
        match (old.dyn_ref::<Element>(), new.dyn_ref::<Element>()) {
            (Some(old), Some(new)) if old.id() == new.id() => return morph(old, new),
            (None, None) => {
                if old.node_value() != new.node_value() {
                    old.set_node_value(new.node_value().as_deref());
                }
                return;
            }
            _ => {}
        }
    }
    let _ = parent.replace_child(new, old);
}
