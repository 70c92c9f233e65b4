//! Weights to start from: our own export, or a PyTorch state_dict saved as safetensors.
//!
//! PyTorch's names, for a block that is a module with `conv` and `norm`, become ours as follows:
//!
//! | PyTorch | here |
//! | --- | --- |
//! | `encoder.0.first.conv.weight`, `.conv.bias` | `encoder.0.first.weight`, `.bias` |
//! | `….norm.weight`, `….norm.bias` | `….gamma`, `….beta` |
//! | `….norm.running_mean`, `….norm.running_var` | `….running_mean`, `….running_variance` |
//! | `….norm.num_batches_tracked` | left out |
//!
//! Layers are `encoder.LEVEL.first|second`, `decoder.STEP.up`, `decoder.STEP.join.first|second` (step 0 is the deepest),
//! `keras` and `head`. The last two stay fresh, both together, unless the file has them in the same shapes and, where it
//! says so as our export does, for the same classes in the same order.

use burn::module::Module;

use super::{
    ConvOps, UNet,
    weights::{self, Arrays, WeightsError},
};

/// PyTorch's endings of names and ours.
const ENDINGS: [(&str, &str); 6] = [
    (".conv.weight", ".weight"),
    (".conv.bias", ".bias"),
    (".norm.weight", ".gamma"),
    (".norm.bias", ".beta"),
    (".norm.running_mean", ".running_mean"),
    (".norm.running_var", ".running_variance"),
];

/// Layers that tell one set of classes apart.
const LAST: [&str; 2] = ["head.", "keras."];

/// `network`, which tells `classes` apart, with the weights of a safetensors file; and why its last layers stay fresh,
/// where they do.
///
/// # Errors
/// If the file is no safetensors, or an array is missing, unknown or of another shape; all of them are named.
pub fn load<B: ConvOps>(
    network: UNet<B>,
    file: &[u8],
    classes: &[String],
) -> Result<(UNet<B>, Option<String>), WeightsError>
where
    UNet<B>: Module<B>,
{
    let mut given: Arrays =
        weights::from_bytes(file)?.into_iter().map(|(name, array)| (our_name(&name), array)).collect();
    let mut arrays = weights::collect::<B>(&network)?;
    let why_fresh = other_classes(file, classes).or_else(|| other_layers(&given, &arrays));
    let stays_fresh = |name: &str| why_fresh.is_some() && is_last(name);
    given.retain(|name, _| !stays_fresh(name));
    let mut problems = Vec::new();
    for (name, array) in arrays.iter_mut().filter(|(name, _)| !stays_fresh(name)) {
        match given.remove(name) {
            Some(new) if new.shape == array.shape => *array = new,
            Some(new) => {
                problems.push(format!("`{name}` is {:?} in the file and {:?} in the network", new.shape, array.shape));
            }
            None => problems.push(format!("`{name}` is missing from the file")),
        }
    }
    problems.extend(given.keys().map(|name| format!("`{name}` is not in the network")));
    if !problems.is_empty() {
        return Err(WeightsError::Misfit(problems));
    }
    Ok((weights::load::<B, _>(network, &arrays)?, why_fresh))
}

fn is_last(name: &str) -> bool {
    LAST.iter().any(|last| name.starts_with(last))
}

/// Whether the file says that its last layers tell other classes apart, or these in another order.
fn other_classes(file: &[u8], ours: &[String]) -> Option<String> {
    let about: serde_json::Value = serde_json::from_str(&weights::about(file)?).ok()?;
    let theirs: Vec<String> = serde_json::from_value(about.get("classes")?.clone()).ok()?;
    (theirs != ours).then(|| format!("the file's classes are {}", theirs.join(", ")))
}

/// Whether the file's last layers are not those of the network.
fn other_layers(given: &Arrays, ours: &Arrays) -> Option<String> {
    let last = |arrays: &Arrays| {
        let of_last = arrays.iter().filter(|(name, _)| is_last(name));
        of_last.map(|(name, array)| (name.clone(), array.shape.clone())).collect::<Vec<_>>()
    };
    let (theirs, ours) = (last(given), last(ours));
    let other = if theirs.is_empty() { "the file has none" } else { "the file's has another shape" };
    (theirs != ours).then(|| other.to_owned())
}

fn our_name(name: &str) -> String {
    let ending = ENDINGS.iter().find_map(|(theirs, ours)| Some((name.strip_suffix(theirs)?, ours)));
    ending.map_or_else(|| name.to_owned(), |(start, ours)| format!("{start}{ours}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{Head, ModelConfig};
    use burn::backend::Flex;

    fn network(classes: usize, seed: u64) -> UNet<Flex> {
        let config = ModelConfig { depth: 2, base_width: 2, ..ModelConfig::default() };
        UNet::new(&config, 1, classes, seed, &Default::default())
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("c{class}")).collect()
    }

    fn arrays(network: &UNet<Flex>) -> Arrays {
        weights::collect::<Flex>(network).unwrap()
    }

    #[test]
    fn our_own_export_and_pytorchs_names_give_the_same_network() {
        let wanted = arrays(&network(3, 1));
        let (own, why_fresh) = load(network(3, 2), &weights::to_bytes(&wanted).unwrap(), &names(3)).unwrap();
        assert_eq!((arrays(&own), why_fresh), (wanted.clone(), None));
        let theirs: Arrays = wanted
            .iter()
            .map(|(name, array)| {
                let (_, ours) = ENDINGS.iter().find(|(_, ours)| name.ends_with(ours)).unwrap();
                let head = name.starts_with("head.");
                let theirs = ENDINGS.iter().find(|(_, other)| other == ours).unwrap().0;
                let start = name.strip_suffix(ours).unwrap();
                (if head { name.clone() } else { format!("{start}{theirs}") }, array.clone())
            })
            .collect();
        assert!(theirs.contains_key("decoder.0.join.second.norm.running_var"));
        let (found, _) = load(network(3, 2), &weights::to_bytes(&theirs).unwrap(), &names(3)).unwrap();
        assert_eq!(arrays(&found), wanted);
    }

    /// The last layers of a network of `classes` from `file`, against those of the file and fresh ones.
    #[track_caller]
    fn expect_fresh(file: &[u8], classes: &[String], reason: &str) {
        let given = weights::from_bytes(file).unwrap();
        let fresh = arrays(&network(classes.len(), 2));
        let (found, why_fresh) = load(network(classes.len(), 2), file, classes).unwrap();
        let found = arrays(&found);
        assert_eq!((&found["head.weight"], &found["head.bias"]), (&fresh["head.weight"], &fresh["head.bias"]));
        assert_eq!(found["encoder.1.second.weight"], given["encoder.1.second.weight"]);
        assert!(why_fresh.as_ref().is_some_and(|why| why.contains(reason)), "{why_fresh:?}");
    }

    #[test]
    fn other_classes_or_another_head_leave_the_last_layers_fresh_and_say_why() {
        let given = arrays(&network(3, 1));
        expect_fresh(&weights::to_bytes(&given).unwrap(), &names(5), "another shape");
        let about = |classes: &[&str]| {
            weights::to_bytes_about(&given, serde_json::json!({ "classes": classes }).to_string()).unwrap()
        };
        expect_fresh(&about(&["c1", "c0", "c2"]), &names(3), "classes are c1, c0, c2");
        let (same, why_fresh) = load(network(3, 2), &about(&["c0", "c1", "c2"]), &names(3)).unwrap();
        assert_eq!((arrays(&same), why_fresh), (given.clone(), None));
        let mut headless = given.clone();
        headless.retain(|name, _| !is_last(name));
        expect_fresh(&weights::to_bytes(&headless).unwrap(), &names(3), "has none");
        let keras = ModelConfig { depth: 2, base_width: 2, head: Head::Keras, ..ModelConfig::default() };
        let keras = arrays(&UNet::new(&keras, 1, 3, 1, &Default::default()));
        expect_fresh(&weights::to_bytes(&keras).unwrap(), &names(3), "another shape");
    }

    #[test]
    fn every_array_that_does_not_fit_is_named() {
        let mut given = arrays(&network(3, 1));
        let array = given.remove("encoder.0.first.bias").unwrap();
        given.insert("encoder.9.first.bias".into(), array);
        let text = load(network(3, 2), &weights::to_bytes(&given).unwrap(), &names(3)).unwrap_err().to_string();
        assert!(
            text.contains("`encoder.0.first.bias` is missing") && text.contains("`encoder.9.first.bias` is not in")
        );
    }
}
