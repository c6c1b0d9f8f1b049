//! The offset over time, drawn.

use std::path::Path;

use ntp_sim::{Point, WhatIf};
use plotters::prelude::*;

use super::Unit;

/// Size of the picture.
const SIZE: (u32, u32) = (1000, 480);

/// The lines' colours.
const BOUND: RGBColor = RGBColor(200, 200, 200);
const OFFSET: RGBColor = RGBColor(30, 90, 160);

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
    let height = height(&report.trace);
    let Unit { name: unit, in_second: factor, .. } = Unit::of(height);
    let height = height * factor;
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
        let line = chart.draw_series(LineSeries::new(edge, BOUND))?;
        if sign > 0.0 {
            line.label("the bound that it claims, or the edge").legend(|(x, y)| sample(x, y, BOUND));
        }
    }
    let error = report.trace.iter().map(|point| (at(point), shown(point.error)));
    let line = chart.draw_series(LineSeries::new(error, OFFSET))?;
    line.label("offset").legend(|(x, y)| sample(x, y, OFFSET));
    let mut legend = chart.configure_series_labels();
    legend.position(SeriesLabelPosition::UpperRight).label_font(("sans-serif", 14));
    legend.border_style(BLACK.mix(0.3)).background_style(WHITE.mix(0.8)).draw()?;
    area.present()
}

/// What stands for a line in the legend.
fn sample(x: i32, y: i32, colour: RGBColor) -> PathElement<(i32, i32)> {
    PathElement::new([(x, y), (x + 20, y)], colour)
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
