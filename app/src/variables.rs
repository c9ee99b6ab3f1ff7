//! Environment variables as people type them: one `NAME=value` a line. A value in double quotes is read as JSON text, so
//! that line breaks and blanks at its ends have a way in and out.

use domain::{Rejected, deployment::Variable, error::FieldError, limits, names::VariableName};

/// The field that holds them.
pub const FIELD: &str = "environment";

/// As much of a wrong name as tells which it is.
const SHOWN: usize = 40;

/// Reads the lines; empty ones count for nothing.
///
/// # Errors
/// `invalid_input` at the field, naming every line that is no variable and every name that cannot be one or stands twice.
pub fn read(text: &str) -> Result<Vec<Variable>, Rejected> {
    let (mut variables, mut wrong): (Vec<Variable>, Vec<String>) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match variable(line).and_then(|variable| new_name(&variable.name, &variables).and_then(|()| short_enough(variable))) {
            Ok(variable) => variables.push(variable),
            Err(why) => wrong.push(format!("Line {}: {why}", at + 1)),
        }
    }
    if wrong.is_empty() { Ok(variables) } else { Err(Rejected::field(FIELD, wrong.join(" "))) }
}

fn variable(line: &str) -> Result<Variable, String> {
    let (name, value) = line.split_once('=').ok_or("write NAME=value.")?;
    let value =
        if value.starts_with('"') { serde_json::from_str(value).map_err(|_| "a value that begins with a quote has to end with one, as in JSON.")? } else { value.to_owned() };
    Ok(Variable { name: name.trim().to_owned(), value })
}

/// The operation says this, too, but counts variables where people count lines.
fn new_name(name: &str, before: &[Variable]) -> Result<(), String> {
    VariableName::parse(name).map_err(|why| format!("“{}” cannot be a name. {why}", name.chars().take(SHOWN).collect::<String>()))?;
    if before.iter().any(|variable| variable.name == name) { Err(format!("{name} is set twice.")) } else { Ok(()) }
}

fn short_enough(variable: Variable) -> Result<Variable, String> {
    let (most, characters) = (limits::VARIABLE_VALUE, variable.value.chars().count());
    if characters > most { Err(format!("The value of {} has {characters} characters. Use at most {most}.", variable.name)) } else { Ok(variable) }
}

/// Writes them so that [`read`] gives the same.
#[must_use]
pub fn write(variables: &[Variable]) -> String {
    let line = |variable: &Variable| {
        let plain = !variable.value.starts_with('"') && !variable.value.contains(['\n', '\r']);
        if plain { format!("{}={}", variable.name, variable.value) } else { format!("{}={}", variable.name, serde_json::Value::from(variable.value.as_str())) }
    };
    variables.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Moves what an operation says about single variables to the one field the form has.
#[must_use]
pub fn gather(mut rejected: Rejected) -> Rejected {
    let mut said = Vec::new();
    rejected.errors.retain(|error| {
        let Some(rest) = error.field.strip_prefix("environment.") else { return true };
        let number = rest.split('.').next().and_then(|n| n.parse::<usize>().ok()).map_or_else(String::new, |n| format!("Variable {}: ", n + 1));
        said.push(format!("{number}{}", error.message));
        false
    });
    if !said.is_empty() {
        rejected.errors.push(FieldError { field: FIELD.into(), message: said.join(" ") });
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, value: &str) -> Variable {
        Variable { name: name.into(), value: value.into() }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let variables =
            [variable("A", "1"), variable("URL", "http://x/?a=b"), variable("TEXT", "two\nlines\r"), variable("QUOTED", "\"x\""), variable("BLANKS", "  a "), variable("NONE", "")];
        assert_eq!(read(&write(&variables)), Ok(variables.to_vec()));
    }

    #[test]
    fn a_line_that_is_no_variable_is_named() {
        assert_eq!(read("A=1\n\nnonsense").unwrap_err().message_for(FIELD), Some("Line 3: write NAME=value."));
        assert!(read("A=\"open").unwrap_err().message.starts_with("Line 1:"));
        let all = read("1BAD\nA=1\nA=2\nC D=3\nB=4").unwrap_err();
        let said = all.message_for(FIELD).unwrap();
        assert!(said.starts_with("Line 1: write NAME=value. Line 3: A is set twice. Line 4: “C D” cannot be a name.") && !said.contains("Line 5"), "{said}");
        let long = read(&format!("A=1\nB={}\nC=2", "ü".repeat(limits::VARIABLE_VALUE + 1))).unwrap_err();
        assert_eq!(long.message_for(FIELD), Some("Line 2: The value of B has 4097 characters. Use at most 4096."));
        assert!(read(&format!("B={}", "ü".repeat(limits::VARIABLE_VALUE))).is_ok());
    }

    #[test]
    fn errors_of_single_variables_are_gathered_at_the_field() {
        let mut rejected = Rejected::field("environment.1.name", "1A cannot be a name.");
        rejected.errors.push(FieldError { field: "name".into(), message: "Enter a name.".into() });
        let gathered = gather(rejected);
        assert_eq!(gathered.message_for(FIELD), Some("Variable 2: 1A cannot be a name."));
        assert_eq!(gathered.message_for("name"), Some("Enter a name."));
        assert_eq!(gathered.errors.len(), 2);
    }
}
