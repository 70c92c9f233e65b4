//! `{learning_rate}`-style placeholders in an outside trainer's command. `{{` and `}}` stand for braces.

/// The names of the placeholders of one argument. What is no name in braces (JSON, say) is left alone.
pub fn placeholders(argument: &str) -> Vec<&str> {
    parts(argument).filter_map(|part| if let Part::Name(name) = part { Some(name) } else { None }).collect()
}

/// The argument with each placeholder replaced by its value.
///
/// # Errors
/// With the name that has no value.
pub fn substitute(argument: &str, value_of: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    parts(argument)
        .map(|part| match part {
            Part::Text(text) => Ok(text.to_owned()),
            Part::Name(name) => value_of(name).ok_or_else(|| name.to_owned()),
        })
        .collect()
}

enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn parts(argument: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = argument;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, length) = next_part(rest);
        rest = &rest[length..];
        Some(part)
    })
}

/// The first part of a text that is not empty, and how much of it that uses up.
fn next_part(text: &str) -> (Part<'_>, usize) {
    for doubled in ["{{", "}}"] {
        if text.starts_with(doubled) {
            return (Part::Text(&doubled[..1]), 2);
        }
    }
    if let Some(inner) = text.strip_prefix('{')
        && let Some(end) = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
        && end > 0
        && inner[end..].starts_with('}')
    {
        return (Part::Name(&inner[..end]), end + 2);
    }
    let first = text.chars().next().map_or(1, char::len_utf8);
    let length = text[first..].find(['{', '}']).map_or(text.len(), |at| at + first);
    (Part::Text(&text[..length]), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_other_braces_stay() {
        let value = |name: &str| (name == "train.epochs" || name == "lr").then(|| format!("<{name}>"));
        for (argument, expected) in [
            ("--lr={lr}", "--lr=<lr>"),
            ("{lr}{train.epochs}", "<lr><train.epochs>"),
            ("{{lr}}", "{lr}"),
            ("{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1}"),
            ("é{lr}é", "é<lr>é"),
            ("{}", "{}"),
            ("{lr", "{lr"),
            ("", ""),
        ] {
            assert_eq!(substitute(argument, value), Ok(expected.to_owned()), "{argument}");
        }
        assert_eq!(substitute("{lr} {momentum}", value), Err("momentum".to_owned()));
        assert_eq!(placeholders("{a} {{b}} {c.d}"), ["a", "c.d"]);
    }
}
