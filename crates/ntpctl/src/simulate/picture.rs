//! The offset over time, drawn.

use std::path::Path;

use ntp_sim::{Point, WhatIf};
use plotters::prelude::*;

/// Size of the picture.
const SIZE: (u32, u32) = (1000, 480);

/// The share of the worst errors that may lie outside of the picture: the start must not flatten the
/// rest.
const OUTSIDE: f64 = 0.02;

/// Draws into an SVG file.
pub(super) fn draw(path: &Path, title: &str, report: &WhatIf) -> Result<(), String> {
    let mut text = String::new();
    paint(SVGBackend::with_string(&mut text, SIZE), title, report).map_err(|error| error.to_string())?;
    ntp_os::atomic_file::replace(path, text.as_bytes(), None, 0o644).map_err(|error| error.to_string())
}

fn paint(
    backend: SVGBackend<'_>,
    title: &str,
    report: &WhatIf,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>> {
    let (unit, factor) = unit(&report.trace);
    let height = height(&report.trace) * factor;
    let hours = (report.length / 3600.0).max(1e-3);
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..hours, -height..height)?;
    let offset = format!("system minus true time, {unit}");
    chart.configure_mesh().max_light_lines(1).x_desc("hours").y_desc(offset).draw()?;
    let shown = |value: f64| (value * factor).clamp(-height, height);
    let at = |point: &Point| point.seconds / 3600.0;
    for sign in [1.0, -1.0] {
        let edge = report.trace.iter().filter_map(|point| Some((at(point), shown(sign * point.bound?))));
        chart.draw_series(LineSeries::new(edge, RGBColor(200, 200, 200)))?;
    }
    let error = report.trace.iter().map(|point| (at(point), shown(point.error)));
    chart.draw_series(LineSeries::new(error, RGBColor(30, 90, 160)))?;
    area.present()
}

/// Seconds, milliseconds or microseconds.
fn unit(trace: &[Point]) -> (&'static str, f64) {
    match height(trace) {
        size if size < 1e-3 => ("us", 1e6),
        size if size < 1.0 => ("ms", 1e3),
        _ => ("s", 1.0),
    }
}

/// The size of nearly all errors, and a little more.
fn height(trace: &[Point]) -> f64 {
    let mut sizes: Vec<f64> = trace.iter().map(|point| point.error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of at most a few thousand"
    )]
    let index = ((sizes.len() as f64) * (1.0 - OUTSIDE)) as usize;
    sizes.get(index).or_else(|| sizes.last()).map_or(1e-6, |size| (1.2 * size).max(1e-9))
}
