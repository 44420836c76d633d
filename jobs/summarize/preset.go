package summarize

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Preset is a kind of summary: what it attends to, and how long it is.
type Preset string

// The presets; "" is none.
const (
	// PresetBrief is what a reader in a hurry has to know.
	PresetBrief Preset = "brief"
	// PresetExecutive is for who decides: results, money, risks, what is to be decided.
	PresetExecutive Preset = "executive"
	// PresetMinutes is for meetings: decisions, tasks with who and when, what was left open.
	PresetMinutes Preset = "minutes"
	// PresetLegal is for contracts, statutes and rulings: parties, duties, terms, consequences.
	PresetLegal Preset = "legal"
	// PresetResearch is for papers and studies: question, method, findings, limits.
	PresetResearch Preset = "research"
)

// Presets returns the presets in the order in which pages list them.
func Presets() []Preset {
	return []Preset{PresetBrief, PresetExecutive, PresetMinutes, PresetLegal, PresetResearch}
}

func presetNames() []string {
	var names []string
	for _, p := range Presets() {
		names = append(names, string(p))
	}
	return names
}

// wishes are what a preset stands for.
type wishes struct {
	length string
	task   string
}

func (p Preset) wishes() (wishes, bool) {
	switch p {
	case "":
		return wishes{lengthMedium, `Tell what kind of document it is, what it is about, what it says that matters, what was decided, and who must do what by when.`}, true
	case PresetBrief:
		return wishes{lengthShort, `Tell only what a reader in a hurry has to know: what the document is and what follows from it. Leave out how it comes to that.`}, true
	case PresetExecutive:
		return wishes{lengthMedium, `Write for somebody who decides and has two minutes. Put the outcome first. Then what it costs and earns, what is at risk, what is to be decided and by when, and what the document asks of its readers. Leave out detail that changes no decision.`}, true
	case PresetMinutes:
		return wishes{lengthMedium, `Write minutes. Tell what was talked about in its order, with the main arguments of each side. Among the key points first list each decision, beginning with "Decision:", then each task, beginning with "Task:", with who does it and by when, where that was said. Names are those who took part or were given something to do. Open questions are what was put off or left unresolved.`}, true
	case PresetLegal:
		return wishes{lengthLong, `Write for a lawyer. Tell what kind of instrument it is, between whom, on what, since when and for how long. Key points are rights and duties of each party, conditions, payments, deadlines and notice periods, liability and its limits, termination, governing law and venue, and what departs from what is usual. Use defined terms as they are defined and name the clause of each point. Open questions are gaps, contradictions, undefined terms and blanks that were not filled in.`}, true
	case PresetResearch:
		return wishes{lengthLong, `Write for a researcher. Tell the question, the method and the data, the findings with their size and uncertainty, and what the authors conclude. Keep apart what was measured, what was concluded and what is supposed. Among the key points name the limits that the authors admit to. Open questions are what the work leaves to others. Numbers are results and sample sizes with their units.`}, true
	}
	return wishes{}, false
}

// The lengths that have a name.
const (
	lengthShort  = "short"
	lengthMedium = "medium"
	lengthLong   = "long"
)

// length is how much an answer has.
type length struct {
	words  int // of the summary
	points int // key points, at most
}

// maxWords is beyond what anybody calls a summary.
const maxWords = 20_000

// length returns how long the summary is to be.
func (o Options) length() (length, error) {
	w, _ := o.Preset.wishes()
	switch asked := strings.ToLower(strings.TrimSpace(cmp.Or(o.Length, w.length))); asked {
	case lengthShort:
		return length{words: 80, points: 5}, nil
	case lengthMedium:
		return length{words: 250, points: 12}, nil
	case lengthLong:
		return length{words: 700, points: 25}, nil
	default:
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(asked, "words")))
		if err != nil || n < 10 || n > maxWords {
			return length{}, fmt.Errorf("length: %s is not short, medium, long or a number of words from 10 to %s", quoteName(o.Length), thousands(maxWords))
		}
		return length{words: n, points: min(max(n/25, 3), 40)}, nil
	}
}

// noteLength is how much the notes on a part of a document have. It does not depend on what is
// asked for in the end, so that another length costs but the last request.
func noteLength() length { return length{words: 250, points: 15} }
