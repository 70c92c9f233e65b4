//! TIFF: grey and RGB with or without alpha, 1 to 64 bits, whole or floating-point, strips or tiles, chunky or planar,
//! any number of pages.

use std::io::{BufRead, Seek};

use tiff::{
    ColorType, TiffError,
    decoder::{Decoder, DecodingResult, Limits},
    tags::{PlanarConfiguration, Tag},
};

use super::{MOST_BYTES, Raster, Samples, check_size, unpack, upright::upright};
use crate::data::error::Cause;

/// Longest text that a page may carry, in bytes; ImageJ keeps lists of slices in it.
const LONGEST_TEXT: u64 = 1 << 24;

/// Most pages of a stack.
const MOST_PAGES: usize = 100_000;

/// The number of pages, thumbnails and transparency masks left out.
pub(super) fn pages(file: impl BufRead + Seek) -> Result<usize, Cause> {
    let mut decoder = decoder(file)?;
    let mut pages = 0;
    let first = description(&mut decoder)?;
    loop {
        pages += usize::from(is_page(&mut decoder)?);
        if !decoder.more_images() {
            break;
        }
        if pages == MOST_PAGES {
            return Err(Cause::Unsupported(format!("a stack of more than {MOST_PAGES} pages")));
        }
        decoder.next_image().map_err(cause)?;
    }
    check_stack(&first, pages)?;
    Ok(pages)
}

/// ImageJ writes very large stacks as one page, and channels as pages; neither may pass for images of their own.
fn check_stack(description: &str, pages: usize) -> Result<(), Cause> {
    let told = |key: &str| {
        let line = description.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|number| number.trim().parse::<usize>().ok()).unwrap_or(1)
    };
    if !description.starts_with("ImageJ=") {
        return Ok(());
    }
    if told("channels=") > 1 && pages > 1 {
        return Err(Cause::Unsupported(format!(
            "an ImageJ stack of {} channels; save each as its own file",
            told("channels=")
        )));
    }
    if told("images=") > pages {
        return Err(Cause::Unsupported(format!("an ImageJ stack of {} images in one page", told("images="))));
    }
    Ok(())
}

/// Decodes page `page`, from 0, of a file of `length` bytes.
pub(super) fn read(file: impl BufRead + Seek, length: u64, page: usize) -> Result<Raster, Cause> {
    let mut decoder = decoder(file)?;
    let mut before = page;
    while before > 0 || !is_page(&mut decoder)? {
        before -= usize::from(before > 0 && is_page(&mut decoder)?);
        decoder.next_image().map_err(cause)?;
    }
    let (width, height) = decoder.dimensions().map_err(cause)?;
    let color = decoder.colortype().map_err(cause)?;
    let bits = usize::from(color.bit_depth());
    let channels = channels(color)?;
    check_alpha(&mut decoder, channels)?;
    let size = check_size(height, width, (bits * channels) as u64, length)?;
    let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(cause)?
        == Some(PlanarConfiguration::Planar.to_u16());
    if planar && channels > 1 {
        check_tiles(&mut decoder, height)?;
    }
    let mut decoded = DecodingResult::U8(Vec::new());
    decoder.read_image_to_buffer(&mut decoded).map_err(cause)?;
    let samples = samples(decoded, bits, size)?;
    let samples = if planar && channels > 1 { samples.interleave(channels) } else { samples };
    let wanted = size[0] * size[1] * channels;
    if samples.len() != wanted {
        return Err(Cause::Broken(format!("{} samples where {wanted} belong", samples.len())));
    }
    let orientation = decoder.find_tag_unsigned::<u16>(Tag::Orientation).map_err(cause)?.unwrap_or(1);
    Ok(upright(Raster { size, channels, samples, palette: None }, orientation))
}

fn decoder<R: BufRead + Seek>(file: R) -> Result<Decoder<R>, Cause> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MOST_BYTES;
    limits.intermediate_buffer_size = MOST_BYTES;
    Ok(Decoder::new(file).map_err(cause)?.with_limits(limits))
}

/// Neither a smaller copy of another page nor a mask of its transparency.
fn is_page<R: BufRead + Seek>(decoder: &mut Decoder<R>) -> Result<bool, Cause> {
    let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType).map_err(cause)?.unwrap_or(0);
    Ok(kind & 0b101 == 0)
}

/// The text that comes with the first page, empty if there is none.
fn description<R: BufRead + Seek>(decoder: &mut Decoder<R>) -> Result<String, Cause> {
    match decoder.image_ifd().find_entry(Tag::ImageDescription).map(|entry| entry.count()) {
        Some(length) if length > LONGEST_TEXT => Err(Cause::Broken(format!("a text of {length} bytes"))),
        _ => Ok(decoder.get_tag_ascii_string(Tag::ImageDescription).unwrap_or_default()),
    }
}

/// The decoder reads tiles of the second plane on wrongly where the last row of tiles is padded.
fn check_tiles<R: BufRead + Seek>(decoder: &mut Decoder<R>, height: u32) -> Result<(), Cause> {
    let rows = decoder.find_tag_unsigned::<u32>(Tag::TileLength).map_err(cause)?;
    match rows {
        Some(rows) if !height.is_multiple_of(rows) => Err(Cause::Unsupported("padded tiles in separate planes".into())),
        _ => Ok(()),
    }
}

fn channels(color: ColorType) -> Result<usize, Cause> {
    match color {
        ColorType::Gray(_) => Ok(1),
        ColorType::GrayA(_) => Ok(2),
        ColorType::RGB(_) => Ok(3),
        ColorType::RGBA(_) => Ok(4),
        // Grey with further samples is how grey with alpha reads here.
        ColorType::Multiband { num_samples: 2, .. } => Ok(2),
        other => Err(Cause::Unsupported(format!("{other:?}"))),
    }
}

/// Whatever is there beside grey or red, green and blue is left out as alpha, so it has to be alpha.
fn check_alpha<R: BufRead + Seek>(decoder: &mut Decoder<R>, channels: usize) -> Result<(), Cause> {
    const ALPHA: [u16; 2] = [1, 2];
    let all = decoder.find_tag_unsigned::<u16>(Tag::SamplesPerPixel).map_err(cause)?.unwrap_or(1);
    let further = usize::from(all).saturating_sub(if channels < 3 { 1 } else { 3 });
    let kinds = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).map_err(cause)?.unwrap_or_default();
    match (further, kinds.as_slice()) {
        (0, _) => Ok(()),
        (1, [kind]) if ALPHA.contains(kind) => Ok(()),
        _ => Err(Cause::Unsupported(format!(
            "{all} channels of which {further} are not marked as alpha; save each channel as its own file"
        ))),
    }
}

fn samples(decoded: DecodingResult, bits: usize, size: [usize; 2]) -> Result<Samples, Cause> {
    Ok(match decoded {
        DecodingResult::U8(packed) if bits < 8 && 8 % bits == 0 => Samples::U8(unpack(&packed, bits, size)),
        DecodingResult::U8(v) if bits == 8 => Samples::U8(v),
        DecodingResult::U16(v) if bits == 16 => Samples::U16(v),
        DecodingResult::F16(v) => Samples::F32(v.into_iter().map(f32::from).collect()),
        DecodingResult::F32(v) => Samples::F32(v),
        DecodingResult::F64(v) => Samples::F64(v),
        DecodingResult::I8(v) => Samples::F32(v.into_iter().map(f32::from).collect()),
        DecodingResult::I16(v) => Samples::F32(v.into_iter().map(f32::from).collect()),
        DecodingResult::U32(v) if bits == 32 => Samples::F64(v.into_iter().map(f64::from).collect()),
        DecodingResult::I32(v) => Samples::F64(v.into_iter().map(f64::from).collect()),
        DecodingResult::U64(v) => Samples::F64(v.into_iter().map(|v| v as f64).collect()),
        DecodingResult::I64(v) => Samples::F64(v.into_iter().map(|v| v as f64).collect()),
        _ => return Err(Cause::Unsupported(format!("{bits} bits a sample"))),
    })
}

fn cause(error: TiffError) -> Cause {
    match error {
        TiffError::UnsupportedError(e) => Cause::Unsupported(e.to_string()),
        TiffError::LimitsExceeded => Cause::Broken("it asks for more memory than its size explains".into()),
        other => Cause::Broken(other.to_string()),
    }
}
