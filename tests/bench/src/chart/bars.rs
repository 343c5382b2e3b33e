//! Horizontal bars, one a system, with whiskers from the least round to the greatest.

use super::class;
use super::svg::Svg;
use crate::statistics::Spread;
use crate::systems::Role;
use crate::table;

const WIDTH: f64 = 760.0;
/// Where bars begin, right of the names.
const LEFT: f64 = 190.0;
/// Kept free for the figures, right of the longest whisker.
const RIGHT: f64 = 170.0;
const STEP: f64 = 26.0;
const BAR: f64 = 16.0;
const HEAD: f64 = 34.0;

/// The bars of one measure.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
}

pub(super) struct Bar {
    pub(super) title: String,
    pub(super) role: Role,
    pub(super) spread: Spread,
}

/// Draws panels below each other, each with a scale of its own, which begins at zero.
pub(super) fn draw(title: &str, panels: &[Panel]) -> String {
    let height = |panel: &Panel| HEAD + STEP * panel.bars.len() as f64;
    let mut svg = Svg::new(WIDTH, 30.0 + panels.iter().map(height).sum::<f64>());
    svg.text(8.0, 20.0, "title", title);
    let mut top = 30.0;
    for panel in panels {
        svg.text(8.0, top + 18.0, "note", &panel.title);
        draw_bars(&mut svg, top + HEAD - 6.0, &panel.bars);
        top += height(panel);
    }
    svg.finish(title)
}

fn draw_bars(svg: &mut Svg, top: f64, bars: &[Bar]) {
    let greatest = bars.iter().map(|bar| bar.spread.max).fold(0.0, f64::max);
    let scale = if greatest > 0.0 { (WIDTH - LEFT - RIGHT) / greatest } else { 0.0 };
    for (number, bar) in bars.iter().enumerate() {
        let y = top + STEP * number as f64;
        let (middle, base) = (y + BAR / 2.0, y + BAR - 4.0);
        let (min, max) = (LEFT + scale * bar.spread.min, LEFT + scale * bar.spread.max);
        let role = class(bar.role);
        svg.text(LEFT - 8.0, base, &format!("name end {role}"), &bar.title);
        svg.bar(LEFT, y, scale * bar.spread.median, BAR, role);
        if bar.spread.count > 1 {
            svg.stroke((min, middle), (max, middle), "whisker");
            for x in [min, max] {
                svg.stroke((x, middle - 4.0), (x, middle + 4.0), "whisker");
            }
        }
        svg.text(max + 8.0, base, "", &table::spread(bar.spread));
    }
}
