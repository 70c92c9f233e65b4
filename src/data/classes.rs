//! The classes that are trained, and what stands for each of them in a mask.

use std::path::Path;

use crate::domain::{DataConfig, REST};

use super::{
    error::{Cause, DataError, DataErrors},
    mask::{Coding, IGNORED},
};

/// The classes the network tells apart, in the order of their index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassList {
    /// Names in the order of the index; at most 255.
    pub names: Vec<String>,
    /// The class that foreground means leave out.
    pub background: Option<usize>,
}

impl ClassList {
    /// Reads `data.classes`, `data.background` and `data.keep`: classes that are not kept become
    /// [`REST`], with the background, and first if none is declared.
    ///
    /// # Errors
    /// If a name is given twice, or `background` or `keep` name a class that is not there.
    pub fn of(config: &DataConfig) -> Result<Self, DataErrors> {
        Ok(read(config)?.0)
    }

    /// The indices that foreground means run over.
    pub fn foreground(&self) -> Vec<usize> {
        (0..self.names.len()).filter(|&class| Some(class) != self.background).collect()
    }

    /// Number of classes.
    #[expect(clippy::len_without_is_empty, reason = "a list of classes is never empty")]
    pub fn len(&self) -> usize {
        self.names.len()
    }
}

/// The classes, and for each declared class the index it is trained as.
fn read(config: &DataConfig) -> Result<(ClassList, Vec<u8>), DataErrors> {
    let declared: Vec<&str> = config.classes.iter().map(|class| class.name.as_str()).collect();
    let fail = |text: String| Err(DataError::new(Path::new("data.classes"), Cause::Classes(text)).into());
    if declared.is_empty() {
        return fail("no class is declared".into());
    }
    if let Some(twice) = declared.iter().enumerate().find_map(|(i, name)| declared[..i].contains(name).then_some(name))
    {
        return fail(format!("{twice:?} is declared twice"));
    }
    if let Some(unknown) = config.background.iter().chain(&config.keep).find(|name| !declared.contains(&name.as_str()))
    {
        return fail(format!("{unknown:?} is not among {}", declared.join(", ")));
    }
    let background = config.background.as_deref();
    let mut names: Vec<String> =
        declared.iter().filter(|name| config.keeps(name)).map(|&name| name.to_owned()).collect();
    if names.len() < declared.len() {
        // With the others in it, it is more than its own name says.
        match names.iter().position(|name| Some(name.as_str()) == background) {
            Some(place) => names[place] = REST.to_owned(),
            None => names.insert(0, REST.to_owned()),
        }
        if names.iter().filter(|name| *name == REST).count() > 1 {
            return fail(format!("{REST:?} is kept but not declared as data.background, which the others become"));
        }
    }
    let rest = config.background_name();
    if names.len() > usize::from(IGNORED) {
        return fail(format!("{} classes are declared, more than 255", names.len()));
    }
    let index = |name: &str| names.iter().position(|other| other == name);
    let background = rest.and_then(index);
    let trained_as = declared.iter().map(|&name| index(name).or(background).unwrap_or(0) as u8).collect();
    Ok((ClassList { names, background }, trained_as))
}

/// The classes and how a mask spells them.
pub(super) fn coding(config: &DataConfig) -> Result<(ClassList, Coding), DataErrors> {
    let (list, trained_as) = read(config)?;
    let coding = Coding::new(config, &trained_as)
        .map_err(|text| DataError::new(Path::new("data.classes"), Cause::Classes(text)))?;
    Ok((list, coding))
}
