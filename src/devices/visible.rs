//! Which GPUs an inherited CUDA_VISIBLE_DEVICES leaves, by CUDA's own rules.

use super::{
    Device, DeviceKind,
    nvml::{Gpu, Gpus},
};

/// The GPUs that may be used, `cuda:0` first. Without an inherited list that is all of them, each named to its worker
/// by UUID, which no setting of CUDA_DEVICE_ORDER changes. With one, a worker gets one entry of it: a number unchanged, a
/// UUID, which CUDA lets one shorten, whole. Like CUDA, an entry that names nothing ends the list. Remarks for the user
/// are added to `notes`.
pub(super) fn devices(
    gpus: &Gpus,
    inherited: Option<&str>,
    order: Option<&str>,
    notes: &mut Vec<String>,
) -> Vec<Device> {
    let Some(inherited) = inherited else {
        return gpus.parts.iter().enumerate().map(|(place, gpu)| device(place, gpu.uuid.clone(), Some(gpu))).collect();
    };
    let entries = inherited.split(',').map(str::trim).take_while(|entry| !entry.is_empty());
    let mut devices = Vec::new();
    for entry in entries {
        let Some(gpu) = named_by(gpus, entry, order) else {
            notes.push(format!(
                "CUDA_VISIBLE_DEVICES={inherited}: `{entry}` names no GPU here; it and what follows is left out"
            ));
            break;
        };
        let uuid = gpu.filter(|_| entry.parse::<usize>().is_err()).map(|gpu| gpu.uuid.clone());
        devices.push(device(devices.len(), uuid.unwrap_or_else(|| entry.to_owned()), gpu));
    }
    devices
}

/// The GPU behind an entry: `None` if there is none, `Some(None)` if it cannot be told which. Of a divided GPU CUDA takes
/// the first part.
fn named_by<'a>(gpus: &'a Gpus, entry: &str, order: Option<&str>) -> Option<Option<&'a Gpu>> {
    let Ok(number) = entry.parse::<usize>() else {
        let part = gpus.parts.iter().find(|gpu| gpu.uuid.starts_with(entry));
        let divided = || gpus.whole.iter().flatten().find(|whole| whole.uuid.starts_with(entry));
        return part.or_else(|| gpus.parts.get(divided()?.first)).map(Some);
    };
    let whole = gpus.whole.get(number)?.as_ref()?;
    // CUDA counts the fastest first unless told otherwise; among equals that is the order of the bus.
    let alike = gpus.parts.windows(2).all(|pair| pair[0].name == pair[1].name);
    let known = order == Some("PCI_BUS_ID") || alike;
    Some(gpus.parts.get(whole.first).filter(|gpu| known && gpu.uuid == whole.uuid))
}

fn device(place: usize, visible: String, gpu: Option<&Gpu>) -> Device {
    Device {
        name: format!("cuda:{place}"),
        kind: DeviceKind::Cuda,
        product: gpu.map(|gpu| gpu.name.clone()),
        memory_mib: gpu.map(|gpu| gpu.memory_mib),
        free_mib: gpu.map(|gpu| gpu.free_mib),
        visible: Some(visible),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::nvml::Whole, *};

    fn gpus(names: &[&str]) -> Gpus {
        let gpu = |(place, name): (usize, &&str)| Gpu {
            uuid: format!("GPU-{place}abc"),
            name: (*name).to_owned(),
            memory_mib: 1000 * (place as u64 + 1),
            free_mib: 900,
        };
        let parts: Vec<_> = names.iter().enumerate().map(gpu).collect();
        let whole = |(first, gpu): (usize, &Gpu)| Some(Whole { uuid: gpu.uuid.clone(), first });
        Gpus { whole: parts.iter().enumerate().map(whole).collect(), parts, notes: Vec::new() }
    }

    fn seen(gpus: &Gpus, inherited: Option<&str>, order: Option<&str>) -> (Vec<(String, Option<u64>)>, usize) {
        let mut notes = Vec::new();
        let devices = devices(gpus, inherited, order, &mut notes);
        (devices.into_iter().map(|d| (d.visible.unwrap_or_default(), d.memory_mib)).collect(), notes.len())
    }

    fn entry(visible: &str, memory: u64) -> (String, Option<u64>) {
        (visible.to_owned(), Some(memory))
    }

    #[test]
    fn without_a_list_each_gpu_is_named_by_uuid() {
        let all = seen(&gpus(&["A", "B"]), None, None);
        assert_eq!(all, (vec![entry("GPU-0abc", 1000), entry("GPU-1abc", 2000)], 0));
    }

    #[test]
    fn an_inherited_list_is_passed_on_entry_by_entry() {
        let four = gpus(&["A"; 4]);
        assert_eq!(seen(&four, Some("2,0"), None), (vec![entry("2", 3000), entry("0", 1000)], 0));
        assert_eq!(seen(&four, Some("GPU-1"), None), (vec![entry("GPU-1abc", 2000)], 0));
        assert_eq!(seen(&four, Some(""), None), (vec![], 0));
    }

    #[test]
    fn an_entry_that_names_nothing_ends_the_list() {
        assert_eq!(seen(&gpus(&["A"; 2]), Some("1,7,0"), None), (vec![entry("1", 2000)], 1));
        assert_eq!(seen(&gpus(&["A"; 2]), Some("-1"), None), (vec![], 1));
    }

    #[test]
    fn numbers_of_unlike_gpus_are_known_only_in_the_order_of_the_bus() {
        let unlike = gpus(&["A", "B"]);
        assert_eq!(seen(&unlike, Some("1"), None).0, [("1".to_owned(), None)]);
        assert_eq!(seen(&unlike, Some("1"), Some("PCI_BUS_ID")).0, [entry("1", 2000)]);
    }

    #[test]
    fn the_parts_of_a_divided_gpu_are_devices_of_their_own() {
        let mut divided = gpus(&["A part", "A part"]);
        divided.whole = vec![Some(Whole { uuid: "GPU-whole".into(), first: 0 })];
        divided.parts[0].uuid = "MIG-1".into();
        assert_eq!(seen(&divided, None, None).0, [entry("MIG-1", 1000), entry("GPU-1abc", 2000)]);
        assert_eq!(seen(&divided, Some("MIG-1"), None).0, [entry("MIG-1", 1000)]);
        assert_eq!(seen(&divided, Some("GPU-wh"), None).0, [entry("MIG-1", 1000)]);
        assert_eq!(seen(&divided, Some("0"), None).0, [("0".to_owned(), None)]);
    }

    #[test]
    fn a_gpu_that_does_not_answer_keeps_its_number_and_names_nothing() {
        let mut rest = gpus(&["A"; 2]);
        rest.whole.insert(0, None);
        assert_eq!(seen(&rest, Some("2"), None), (vec![entry("2", 2000)], 0));
        assert_eq!(seen(&rest, Some("0"), None), (vec![], 1));
    }
}
