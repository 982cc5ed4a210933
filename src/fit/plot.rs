//! A fit as a picture: observations, fitted curve, and residuals underneath, as SVG.

use super::report::significant;
use crate::{Error, ErrorKind, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// What to draw. The slices `x`, `y` and `residuals` run over the observations, `curve_x` and `curve_y` along the fitted curve.
#[derive(Clone, Copy, Debug)]
pub struct Plot<'a> {
    /// The heading, e.g. the model's name.
    pub title: &'a str,
    /// The line under it; [`caption`] makes one of values and errors.
    pub caption: &'a str,
    /// Label of the horizontal axis.
    pub x_label: &'a str,
    /// Label of the vertical axis.
    pub y_label: &'a str,
    /// The input at each observation.
    pub x: &'a [f64],
    /// The observations.
    pub y: &'a [f64],
    /// Observation less model.
    pub residuals: &'a [f64],
    /// Inputs along the curve, in rising order.
    pub curve_x: &'a [f64],
    /// The model there.
    pub curve_y: &'a [f64],
    /// How far the confidence band reaches above and below the curve; empty where there is none.
    pub band: &'a [f64],
}

/// Width and height of the picture.
const SIZE: (u32, u32) = (860, 640);
/// The drawing is this much larger inside, because the backend rounds to whole units and curves would show steps.
const K: u32 = 8;
const KI: i32 = K as i32;
const INK: RGBColor = RGBColor(34, 40, 49);
const FAINT: RGBColor = RGBColor(120, 128, 138);
const GRID: RGBColor = RGBColor(232, 235, 239);
const DOTS: RGBColor = RGBColor(38, 103, 181);
const CURVE: RGBColor = RGBColor(214, 84, 40);
/// More observations than this are drawn smaller and paler.
const MANY: usize = 400;
/// More observations than this are thinned out evenly.
const MOST: usize = 20_000;

/// Values and errors as one line: `b1 = 238.9 ± 2.7, b2 = …`.
pub fn caption(names: &[&str], values: &[f64], std_errors: &[Option<f64>]) -> String {
    let mut parts = Vec::new();
    for (i, (name, &value)) in names.iter().zip(values).enumerate() {
        let error = std_errors
            .get(i)
            .copied()
            .flatten()
            .filter(|e| *e > 0.0 && e.is_finite());
        parts.push(match error {
            Some(error) => {
                // As many digits of the value as its error leaves two of.
                let magnitude = (value.abs().max(error)).log10().floor() - error.log10().floor();
                let digits = (magnitude + 2.0).clamp(2.0, 12.0) as usize;
                format!(
                    "{name} = {} ± {}",
                    significant(value, digits),
                    significant(error, 2)
                )
            }
            None => format!("{name} = {}", significant(value, 6)),
        });
    }
    parts.join(",  ")
}

/// Draws the plot and returns the SVG document. Errors: `Shape` when slices differ in length, `Argument` when nothing finite is left.
pub fn svg(plot: &Plot) -> Result<String> {
    if plot.x.len() != plot.y.len()
        || plot.x.len() != plot.residuals.len()
        || plot.curve_x.len() != plot.curve_y.len()
        || !(plot.band.is_empty() || plot.band.len() == plot.curve_x.len())
    {
        let message = "a plot needs an x, a y and a residual for each observation";
        return Err(Error::new(ErrorKind::Shape, message));
    }
    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, (SIZE.0 * K, SIZE.1 * K)).into_drawing_area();
        draw(&root, plot)?;
        root.present().map_err(drawing_failed)?;
    }
    let inside = format!("width=\"{}\" height=\"{}\"", SIZE.0 * K, SIZE.1 * K);
    let outside = format!("width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1);
    Ok(out.replacen(&inside, &outside, 1))
}

fn drawing_failed(error: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("the plot could not be drawn: {error}"),
    )
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(root: &Area, plot: &Plot) -> Result<()> {
    root.fill(&WHITE).map_err(drawing_failed)?;
    let dots = |values: &[f64]| -> Vec<(f64, f64)> {
        let stride = plot.x.len().div_ceil(MOST).max(1);
        let pairs = plot
            .x
            .iter()
            .copied()
            .zip(values.iter().copied())
            .step_by(stride);
        pairs
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect()
    };
    let (data, residuals) = (dots(plot.y), dots(plot.residuals));
    let curve = plot
        .curve_x
        .iter()
        .copied()
        .zip(plot.curve_y.iter().copied());
    let curve: Vec<(f64, f64)> = curve
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    let xs = data.iter().chain(&curve).map(|p| p.0);
    let band = band(plot);
    let ys = data.iter().chain(&curve).chain(&band).map(|p| p.1);
    let (Some(x_range), Some(y_range)) = (padded(xs, 0.02), padded(ys, 0.06)) else {
        let message = "there is nothing to plot: no observation is finite";
        return Err(Error::new(ErrorKind::Argument, message));
    };
    let largest = residuals.iter().map(|p| p.1.abs()).fold(0.0, f64::max);
    let largest = if largest > 0.0 && largest < 1e300 {
        1.15 * largest
    } else {
        1.0
    };

    let lines = wrap(plot.caption, 110);
    let head = 44 + 18 * lines.len() as u32;
    let (heading, body) = root.split_vertically(head * K);
    let centre = Pos::new(HPos::Center, VPos::Center);
    let style = |size: i32, color: &'static RGBColor| {
        TextStyle::from(("sans-serif", size * KI).into_font())
            .color(color)
            .pos(centre)
    };
    let middle = SIZE.0 as i32 / 2 * KI;
    let title = style(22, &INK);
    heading
        .draw(&Text::new(plot.title, (middle, 26 * KI), title))
        .map_err(drawing_failed)?;
    for (i, line) in lines.iter().enumerate() {
        let place = (middle, (52 + 18 * i as i32) * KI);
        let text = Text::new(line.as_str(), place, style(14, &FAINT));
        heading.draw(&text).map_err(drawing_failed)?;
    }

    let (upper, lower) = body.split_vertically((SIZE.1 - head) * K * 68 / 100);
    let (radius, alpha) = if plot.x.len() > MANY {
        (2, 0.35)
    } else {
        (4, 0.75)
    };
    let dot = |&p: &(f64, f64)| Circle::new(p, radius * KI, DOTS.mix(alpha).filled());

    let mut chart = ChartBuilder::on(&upper)
        .margin_left(14 * K)
        .margin_right(24 * K)
        .margin_top(8 * K)
        .x_label_area_size(10 * K)
        .y_label_area_size(78 * K)
        .build_cartesian_2d(x_range.0..x_range.1, y_range.0..y_range.1)
        .map_err(drawing_failed)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(K))
        .axis_style(FAINT.stroke_width(K))
        .set_all_tick_mark_size(5 * K)
        .x_labels(8)
        .y_labels(7)
        .x_label_formatter(&|_| String::new())
        .y_label_formatter(&|y| tick(*y, y_range))
        .y_desc(plot.y_label)
        .label_style(("sans-serif", 14 * K).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 16 * K).into_font().color(&INK))
        .draw()
        .map_err(drawing_failed)?;
    if !band.is_empty() {
        chart
            .draw_series([Polygon::new(band, CURVE.mix(0.18).filled())])
            .map_err(drawing_failed)?
            .label("band")
            .legend(|(x, y)| {
                let (left, right) = (x + 2 * KI, x + 22 * KI);
                Rectangle::new(
                    [(left, y - 5 * KI), (right, y + 5 * KI)],
                    CURVE.mix(0.18).filled(),
                )
            });
    }
    chart
        .draw_series(data.iter().map(dot))
        .map_err(drawing_failed)?
        .label("observed")
        .legend(|(x, y)| Circle::new((x + 12 * KI, y), 4 * KI, DOTS.mix(0.75).filled()));
    chart
        .draw_series(LineSeries::new(curve, CURVE.stroke_width(2 * K)))
        .map_err(drawing_failed)?
        .label("fitted")
        .legend(|(x, y)| {
            PathElement::new(
                [(x + 2 * KI, y), (x + 22 * KI, y)],
                CURVE.stroke_width(2 * K),
            )
        });
    chart
        .configure_series_labels()
        .position(emptiest_corner(&data, x_range, y_range))
        .margin(12 * K)
        .legend_area_size(34 * K)
        .background_style(WHITE.mix(0.85))
        .label_font(("sans-serif", 14 * K).into_font().color(&INK))
        .draw()
        .map_err(drawing_failed)?;

    let mut chart = ChartBuilder::on(&lower)
        .margin_left(14 * K)
        .margin_right(24 * K)
        .margin_bottom(8 * K)
        .x_label_area_size(48 * K)
        .y_label_area_size(78 * K)
        .build_cartesian_2d(x_range.0..x_range.1, -largest..largest)
        .map_err(drawing_failed)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(K))
        .axis_style(FAINT.stroke_width(K))
        .set_all_tick_mark_size(5 * K)
        .x_labels(8)
        .y_labels(5)
        .x_label_formatter(&|x| tick(*x, x_range))
        .y_label_formatter(&|y| tick(*y, (-largest, largest)))
        .x_desc(plot.x_label)
        .y_desc("residual")
        .label_style(("sans-serif", 14 * K).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 16 * K).into_font().color(&INK))
        .draw()
        .map_err(drawing_failed)?;
    let zero = [(x_range.0, 0.0), (x_range.1, 0.0)];
    chart
        .draw_series(LineSeries::new(zero, CURVE.stroke_width(2 * K)))
        .map_err(drawing_failed)?;
    chart
        .draw_series(residuals.iter().map(dot))
        .map_err(drawing_failed)?;
    Ok(())
}

/// The outline of the confidence band: along its upper edge and back along its lower one.
fn band(plot: &Plot) -> Vec<(f64, f64)> {
    let points = plot.curve_x.iter().zip(plot.curve_y).zip(plot.band);
    let points: Vec<(f64, f64, f64)> = points
        .map(|((x, y), reach)| (*x, *y, *reach))
        .filter(|(x, y, reach)| (x + y + reach).is_finite())
        .collect();
    let upper = points.iter().map(|(x, y, reach)| (*x, y + reach));
    let lower = points.iter().rev().map(|(x, y, reach)| (*x, y - reach));
    upper.chain(lower).collect()
}

/// The range of the values with a margin; `None` without any, or when they are too far apart to draw.
fn padded(values: impl Iterator<Item = f64>, margin: f64) -> Option<(f64, f64)> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (f64::min(l, v), f64::max(h, v))
    });
    if low > high || low.abs().max(high.abs()) > 1e300 {
        return None;
    }
    let size = low.abs().max(high.abs());
    // A range that rounding would swallow is widened, so that its ends differ.
    let width = (high - low).max(1e-9 * size).max(1e-300);
    let width = if size == 0.0 { 1.0 } else { width };
    Some((low - margin * width, high + margin * width))
}

/// A tick's label: enough digits to tell neighbours apart.
fn tick(value: f64, (low, high): (f64, f64)) -> String {
    let span = high - low;
    let value = if value.abs() < 1e-9 * span {
        0.0
    } else {
        value
    };
    let apart = (low.abs().max(high.abs()) / span)
        .log10()
        .ceil()
        .clamp(0.0, 10.0);
    significant(value, 4 + apart as usize)
}

/// The corner of the chart with the fewest observations in it, for the legend.
fn emptiest_corner(data: &[(f64, f64)], x: (f64, f64), y: (f64, f64)) -> SeriesLabelPosition {
    let corners = [
        (SeriesLabelPosition::UpperRight, 1.0, 1.0),
        (SeriesLabelPosition::UpperLeft, 0.0, 1.0),
        (SeriesLabelPosition::LowerRight, 1.0, 0.0),
        (SeriesLabelPosition::LowerLeft, 0.0, 0.0),
    ];
    let crowd = |cx: f64, cy: f64| {
        let near = |p: &&(f64, f64)| {
            let (u, v) = ((p.0 - x.0) / (x.1 - x.0), (p.1 - y.0) / (y.1 - y.0));
            (u - cx).abs() < 0.22 && (v - cy).abs() < 0.25
        };
        data.iter().filter(near).count()
    };
    let best = corners.into_iter().min_by_key(|c| crowd(c.1, c.2));
    best.map_or(SeriesLabelPosition::UpperRight, |c| c.0)
}

/// Breaks a caption after its commas into lines of at most `width` characters where it can.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in text.split(",  ").filter(|part| !part.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + part.chars().count() + 3 <= width => {
                line.push_str(",  ");
                line.push_str(part);
            }
            _ => lines.push(part.to_string()),
        }
    }
    lines.truncate(6);
    lines
}
