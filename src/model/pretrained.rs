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
//! `keras` and `head`. The last two stay fresh where the file has another number of classes.

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

/// Layers whose shape depends on the number of classes.
const LAST: [&str; 2] = ["head.", "keras."];

/// `network` with the weights of a safetensors file.
///
/// # Errors
/// If the file is no safetensors, or an array is missing, unknown or of another shape; all of them are named.
pub fn load<B: ConvOps>(network: UNet<B>, file: &[u8]) -> Result<UNet<B>, WeightsError>
where
    UNet<B>: Module<B>,
{
    let mut given: Arrays =
        weights::from_bytes(file)?.into_iter().map(|(name, array)| (our_name(&name), array)).collect();
    let mut arrays = weights::collect::<B>(&network)?;
    let mut problems = Vec::new();
    for (name, array) in &mut arrays {
        match given.remove(name) {
            Some(new) if new.shape == array.shape => *array = new,
            _ if LAST.iter().any(|last| name.starts_with(last)) => {}
            Some(new) => {
                problems.push(format!("`{name}` is {:?} in the file and {:?} in the network", new.shape, array.shape));
            }
            None => problems.push(format!("`{name}` is missing from the file")),
        }
    }
    let unknown = given.keys().filter(|name| !LAST.iter().any(|last| name.starts_with(last)));
    problems.extend(unknown.map(|name| format!("`{name}` is not in the network")));
    if problems.is_empty() { weights::load::<B, _>(network, &arrays) } else { Err(WeightsError::Misfit(problems)) }
}

fn our_name(name: &str) -> String {
    let ending = ENDINGS.iter().find_map(|(theirs, ours)| Some((name.strip_suffix(theirs)?, ours)));
    ending.map_or_else(|| name.to_owned(), |(start, ours)| format!("{start}{ours}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::ModelConfig;
    use burn::backend::Flex;

    fn network(classes: usize, seed: u64) -> UNet<Flex> {
        let config = ModelConfig { depth: 2, base_width: 2, ..ModelConfig::default() };
        UNet::new(&config, 1, classes, seed, &Default::default())
    }

    fn arrays(network: &UNet<Flex>) -> Arrays {
        weights::collect::<Flex>(network).unwrap()
    }

    #[test]
    fn our_own_export_and_pytorchs_names_give_the_same_network() {
        let wanted = arrays(&network(3, 1));
        let own = load(network(3, 2), &weights::to_bytes(&wanted).unwrap()).unwrap();
        assert_eq!(arrays(&own), wanted);
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
        assert_eq!(arrays(&load(network(3, 2), &weights::to_bytes(&theirs).unwrap()).unwrap()), wanted);
    }

    #[test]
    fn another_number_of_classes_leaves_the_head_fresh() {
        let given = arrays(&network(3, 1));
        let fresh = arrays(&network(5, 2));
        let found = arrays(&load(network(5, 2), &weights::to_bytes(&given).unwrap()).unwrap());
        assert_eq!(found["head.weight"], fresh["head.weight"]);
        assert_eq!(found["encoder.1.second.weight"], given["encoder.1.second.weight"]);
    }

    #[test]
    fn every_array_that_does_not_fit_is_named() {
        let mut given = arrays(&network(3, 1));
        let array = given.remove("encoder.0.first.bias").unwrap();
        given.insert("encoder.9.first.bias".into(), array);
        let text = load(network(3, 2), &weights::to_bytes(&given).unwrap()).unwrap_err().to_string();
        assert!(
            text.contains("`encoder.0.first.bias` is missing") && text.contains("`encoder.9.first.bias` is not in")
        );
    }
}
