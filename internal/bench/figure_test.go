package bench_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

// curve is a line of a panel: lag against looks.
type curve struct {
	name   string
	points []outcome
}

// panel is the part of a figure for one workload.
type panel struct {
	title  string
	curves []curve
}

// The measures of a figure, in pixels.
const (
	panelWidth, panelHeight = 300.0, 260.0
	marginLeft, marginTop   = 44.0, 34.0
	plotWidth, plotHeight   = 240.0, 176.0
)

// The axes are logarithmic, with the same range in each panel.
const (
	looksLow, looksHigh = 1.0, 200.0
	lagLow, lagHigh     = 0.5, 200.0
)

// figure draws the panels side by side as SVG, which is readable on a light and on a
// dark page: its colours follow what the reader prefers.
func figure(panels []panel) string {
	var b strings.Builder
	width := panelWidth * float64(len(panels))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" font-family="system-ui, sans-serif" font-size="11">
<title>Lag against looks for each response</title>
<style>
svg { background: #fff; --ink: #333; --grid: #ddd; --fixed: #b45309; --exponential: #6d28d9; --learned: #047857; }
@media (prefers-color-scheme: dark) { svg { background: #0d1117; --ink: #ddd; --grid: #333; --fixed: #fbbf24; --exponential: #c4b5fd; --learned: #34d399; } }
text { fill: var(--ink); } .grid { stroke: var(--grid); } .line { fill: none; stroke-width: 2; }
.fixed { stroke: var(--fixed); } .exponential { stroke: var(--exponential); stroke-dasharray: 2 3; } .learned { stroke: var(--learned); stroke-width: 3; }
</style>
`, width, panelHeight)
	for i, p := range panels {
		fmt.Fprintf(&b, "<g transform=\"translate(%.0f 0)\">\n", panelWidth*float64(i))
		p.draw(&b)
		b.WriteString("</g>\n")
	}
	for i, name := range []string{"fixed", "exponential", "learned"} {
		x := marginLeft + 130*float64(i)
		fmt.Fprintf(&b, "<path class=\"line %s\" d=\"M%.0f %.0fh24\"/><text x=\"%.0f\" y=\"%.0f\">%s</text>\n",
			name, x, panelHeight-8, x+30, panelHeight-4, name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) draw(b *strings.Builder) {
	fmt.Fprintf(b, "<text x=\"%.0f\" y=\"16\" font-weight=\"bold\">%s</text>\n", marginLeft, p.title)
	for _, looks := range []float64{1, 2, 5, 10, 20, 50, 100, 200} {
		x, _ := place(outcome{looks: looks, lag: lagLow})
		fmt.Fprintf(b, "<path class=\"grid\" d=\"M%.1f %.1fv%.0f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>\n",
			x, marginTop, plotHeight, x, marginTop+plotHeight+13, looks)
	}
	for _, lag := range []float64{0.5, 1, 2, 5, 10, 20, 50, 100, 200} {
		_, y := place(outcome{looks: looksLow, lag: lag})
		fmt.Fprintf(b, "<path class=\"grid\" d=\"M%.1f %.1fh%.0f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g s</text>\n",
			marginLeft, y, plotWidth, marginLeft-4, y+4, lag)
	}
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">looks for each response</text>\n", marginLeft+plotWidth, marginTop+plotHeight+27)
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\">mean lag</text>\n", marginLeft, marginTop-5)
	for _, c := range p.curves {
		fmt.Fprintf(b, "<polyline class=\"line %s\" points=\"", c.name)
		for _, o := range c.points {
			if x, y := place(o); o.looks <= looksHigh && o.lag >= lagLow && o.lag <= lagHigh {
				fmt.Fprintf(b, "%.1f,%.1f ", x, y)
			}
		}
		b.WriteString("\"/>\n")
	}
}

// place is where a point lies in its panel.
func place(o outcome) (x, y float64) {
	part := func(v, low, high float64) float64 { return math.Log(v/low) / math.Log(high/low) }
	return marginLeft + plotWidth*part(o.looks, looksLow, looksHigh), marginTop + plotHeight*(1-part(o.lag, lagLow, lagHigh))
}

// The figure is well-formed, and has a line for each curve.
func TestFigureIsDrawn(t *testing.T) {
	t.Parallel()
	svg := figure([]panel{{"one", []curve{{"fixed", []outcome{{2, 5}, {4, 3}}}}}, {"two", []curve{{"learned", []outcome{{2, 5}}}}}})
	lines := 0
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF { //nolint:errorlint // the decoder's own
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 2 || !strings.Contains(svg, "prefers-color-scheme: dark") {
		t.Errorf("%d lines in\n%s", lines, svg)
	}
}
