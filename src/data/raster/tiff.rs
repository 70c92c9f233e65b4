//! TIFF: grey and RGB with or without alpha, 1 to 64 bits, whole or floating-point, strips or tiles, chunky or planar.

use std::io::{BufRead, Seek};

use tiff::{
    ColorType, TiffError,
    decoder::{Decoder, DecodingResult, Limits},
    tags::{PlanarConfiguration, Tag},
};

use super::{MOST_BYTES, Raster, Samples, check_size, unpack};
use crate::data::error::Cause;

/// Decodes the first page; a stack is refused.
pub(super) fn read(file: impl BufRead + Seek) -> Result<Raster, Cause> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MOST_BYTES;
    limits.intermediate_buffer_size = MOST_BYTES;
    let mut decoder = Decoder::new(file).map_err(cause)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(cause)?;
    let color = decoder.colortype().map_err(cause)?;
    let bits = usize::from(color.bit_depth());
    let channels = channels(color)?;
    let size = check_size(height, width, (bits * channels).div_ceil(8))?;
    if decoder.more_images() {
        return Err(Cause::Unsupported("a stack of several pages".into()));
    }
    let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(cause)?
        == Some(PlanarConfiguration::Planar.to_u16());
    let mut decoded = DecodingResult::U8(Vec::new());
    decoder.read_image_to_buffer(&mut decoded).map_err(cause)?;
    let samples = samples(decoded, bits, size)?;
    let samples = if planar && channels > 1 { samples.interleave(channels) } else { samples };
    let wanted = size[0] * size[1] * channels;
    if samples.len() != wanted {
        return Err(Cause::Broken(format!("{} samples where {wanted} belong", samples.len())));
    }
    Ok(Raster { size, channels, samples, palette: None })
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
