package simulator

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// digest is what the stand-in knows about a text. It is worked out when first needed, because
// short texts need none of it.
type digest struct {
	text       string
	length     int // of a summary, in words; 0 for as many as the text suggests
	analysed   bool
	lower      string // the sampled text in lower case
	document   document
	vocabulary []string  // the words that carry meaning
	weight     []float64 // of the words in the vocabulary
	bags       []bag     // of the document's sentences
	scores     []float64 // of the document's sentences
	points     []string  // the sentences that say most, in the order of the text
	keywords   []string  // the words that matter most, the first one most
}

const (
	keptPoints   = 24
	keptKeywords = 64
)

// wordsPerSentence is what short sentences have, so that enough of them are taken for a summary
// of a length.
const wordsPerSentence = 8

// bag is what a sentence is made of: the indexes of its distinct words, ascending, and how many
// words it has.
type bag struct {
	words  []int32
	length int
}

func digestOf(text string) *digest { return &digest{text: strings.TrimSpace(text)} }

// analyse takes the text apart. The time it takes grows with the text up to a bound.
func (d *digest) analyse() {
	if d.analysed {
		return
	}
	d.analysed = true
	text := sample(d.text)
	d.lower = strings.ToLower(text)
	d.document = readDocument(text)
	d.dropOrder()
	index := make(map[string]int32)
	d.bags = make([]bag, len(d.document.sentences))
	for i, s := range d.document.sentences {
		d.bags[i] = d.fill(words(s.text), index)
	}
	for i, count := range d.weight {
		d.weight[i] = math.Log1p(count)
	}
	for _, heading := range d.document.headings {
		for _, word := range words(heading) {
			if i, ok := index[word]; ok {
				d.weight[i] *= 1.3
			}
		}
	}
	d.score()
	d.points = d.extract(keptPoints)
	d.rankWords()
}

// fill makes the bag of a sentence, and counts its words in the weights.
func (d *digest) fill(list []string, index map[string]int32) bag {
	b := bag{words: make([]int32, 0, len(list)), length: len(list)}
	for _, word := range list {
		i, ok := index[word]
		if !ok {
			i = int32(len(d.vocabulary)) //nolint:gosec // a sample holds far fewer words
			index[word] = i
			d.vocabulary = append(d.vocabulary, word)
			d.weight = append(d.weight, 0)
		}
		d.weight[i]++
		b.words = append(b.words, i)
	}
	slices.Sort(b.words)
	b.words = slices.Compact(b.words)
	return b
}

// dropOrder removes a short first paragraph that only tells what to do with the rest.
func (d *digest) dropOrder() {
	sentences := d.document.sentences
	if len(sentences) == 0 {
		return
	}
	end, length := 0, 0
	for end < len(sentences) && sentences[end].paragraph == sentences[0].paragraph {
		length += len(sentences[end].text)
		end++
	}
	if length < shortSubject+120 && len(sentences)-end >= 3 && isOrder(sentences[0].text) {
		d.document.sentences = sentences[end:]
	}
}

// isOrder reports whether a sentence begins as instructions to a model do.
func isOrder(text string) bool {
	first, _, _ := strings.Cut(strings.ToLower(text), " ")
	switch strings.Trim(first, ",.:;") {
	case "summarize", "summarise", "condense", "merge", "combine", "write", "extract", "analyze", "analyse", "translate",
		"please", "read", "given", "you", "below", "here", "explain", "describe", "list", "fasse", "résume", "resume", "create":
		return true
	}
	return false
}

// score rates each sentence by the words it holds, its place and its form.
func (d *digest) score() {
	d.scores = make([]float64, len(d.document.sentences))
	for i, s := range d.document.sentences {
		sum := 0.0
		for _, word := range d.bags[i].words {
			sum += d.weight[word]
		}
		n := float64(d.bags[i].length)
		score := sum / math.Pow(n+2, 0.55)
		switch {
		case n < 4:
			score *= 0.4
		case n > 45:
			score *= 0.7
		}
		switch {
		case i == 0:
			score *= 1.4
		case s.opens:
			score *= 1.15
		}
		if strings.HasSuffix(s.text, "?") {
			score *= 0.6
		}
		if leansBack(s.text) {
			score *= 0.85
		}
		d.scores[i] = score
	}
}

// leansBack reports whether a sentence begins with a word that points at the one before it.
func leansBack(text string) bool {
	first, _, _ := strings.Cut(strings.ToLower(text), " ")
	switch strings.Trim(first, ",") {
	case "this", "that", "these", "those", "it", "he", "she", "they", "however", "but", "therefore", "thus", "so", "such",
		"also", "and", "moreover", "furthermore", "here", "there":
		return true
	}
	return false
}

// best returns the indexes of up to n sentences that say most and repeat little, in the order
// of the text.
func (d *digest) best(n int) []int {
	order := make([]int, len(d.scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(d.scores[b], d.scores[a]) })
	var chosen []int
	for _, candidate := range order {
		if len(chosen) == n {
			break
		}
		if !slices.ContainsFunc(chosen, func(other int) bool { return overlap(d.bags[candidate].words, d.bags[other].words) > 0.6 }) {
			chosen = append(chosen, candidate)
		}
	}
	slices.Sort(chosen)
	return chosen
}

// overlap is the share of a's words that b holds too.
func overlap(a, b []int32) float64 {
	if len(a) == 0 {
		return 1
	}
	shared := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			shared++
			i++
			j++
		}
	}
	return float64(shared) / float64(len(a))
}

// summary is the extract that the stand-in answers with, or "" if the text has no sentences.
func (d *digest) summary(verbosity string) string {
	d.analyse()
	if d.length > 0 {
		list := strings.Fields(strings.Join(d.extract(max(1, d.length/wordsPerSentence)), " "))
		return strings.Join(list[:min(len(list), d.length)], " ")
	}
	n := int(math.Round(math.Sqrt(float64(len(d.document.sentences))))) + 1
	n = min(max(n, 2), 7)
	switch verbosity {
	case "low":
		n = max(1, n/2)
	case "high":
		n *= 2
	}
	return strings.Join(d.extract(n), " ")
}

// extract returns up to n of the best sentences.
func (d *digest) extract(n int) []string {
	var out []string
	for _, i := range d.best(n) {
		out = append(out, finish(d.document.sentences[i].text))
	}
	return out
}

// point is the nth of the sentences that say most, or what there is instead.
func (d *digest) point(n int) string {
	d.analyse()
	if n < len(d.points) {
		return d.points[n]
	}
	if n == 0 {
		return clipWords(d.text, 120)
	}
	return clipWords(d.text, 120) + " (" + strconv.Itoa(n+1) + ")"
}

// keyword is the nth of the words that matter most.
func (d *digest) keyword(n int) (string, bool) {
	d.analyse()
	if n < len(d.keywords) {
		return d.keywords[n], true
	}
	return "", false
}

// speaksOf reports whether a phrase stands in the text.
func (d *digest) speaksOf(phrase string) bool {
	d.analyse()
	return mentions(d.lower, strings.ToLower(phrase))
}

// finish gives a sentence the full stop that list items often lack.
func finish(text string) string {
	if strings.HasSuffix(text, "...") || strings.ContainsAny(text[len(text)-1:], ".!?)\"") || text[len(text)-1] >= 0x80 {
		return text
	}
	return strings.TrimRight(text, ",;:") + "."
}

// title is a short name for the text: its first heading, or the beginning of its first sentence.
func (d *digest) title() string {
	d.analyse()
	for _, heading := range d.document.headings {
		if heading != "" && !isOrder(heading) {
			return clipWords(heading, 80)
		}
	}
	if len(d.document.sentences) > 0 {
		return strings.TrimRight(clipWords(d.document.sentences[0].text, 80), ".!? ")
	}
	return clipWords(d.text, 80)
}

// rankWords finds the keywords.
func (d *digest) rankWords() {
	var all []int
	for i, word := range d.vocabulary {
		if len(word) > 3 {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, b int) int {
		return cmp.Or(cmp.Compare(d.weight[b], d.weight[a]), cmp.Compare(d.vocabulary[a], d.vocabulary[b]))
	})
	for _, i := range all[:min(keptKeywords, len(all))] {
		d.keywords = append(d.keywords, d.vocabulary[i])
	}
}

// clipWords shortens a text to at most limit bytes, between two words where it can.
func clipWords(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= limit {
		return text
	}
	cut := strings.TrimSuffix(clip(text, limit), "...")
	if at := strings.LastIndexByte(cut, ' '); at > limit/2 {
		cut = cut[:at]
	}
	return cut
}

// words returns the words of a text that carry meaning, in lower case. Scripts without spaces
// give their characters.
func words(text string) []string {
	var out []string
	start := -1
	emit := func(end int) {
		if start >= 0 {
			if word := strings.ToLower(text[start:end]); len(word) > 2 && !isStopword(word) {
				out = append(out, word)
			}
			start = -1
		}
	}
	for i, r := range text {
		switch {
		case isCJKRune(r):
			emit(i)
			out = append(out, string(r))
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '\'' && start >= 0:
			if start < 0 {
				start = i
			}
		default:
			emit(i)
		}
	}
	emit(len(text))
	return out
}

// isCJKRune spares most texts the look into Unicode's tables.
func isCJKRune(r rune) bool { return r >= 0x0E00 && isCJK(r) }

// isStopword knows the commonest words of English and of a few languages beside it; words of
// up to two bytes never count anyway.
func isStopword(word string) bool {
	switch word {
	case "the", "and", "for", "are", "was", "were", "been", "being", "has", "have", "had", "does", "did", "will", "would",
		"can", "could", "should", "may", "might", "must", "shall", "not", "but", "nor", "yet", "with", "without", "from",
		"into", "onto", "upon", "about", "above", "below", "over", "under", "after", "before", "between", "through",
		"during", "while", "when", "where", "which", "who", "whom", "whose", "what", "why", "how", "that", "this", "these",
		"those", "there", "here", "then", "than", "them", "they", "their", "theirs", "its", "his", "her", "hers", "him",
		"she", "you", "your", "yours", "our", "ours", "all", "any", "both", "each", "few", "more", "most", "other",
		"others", "some", "such", "only", "own", "same", "too", "very", "just", "also", "because", "until", "against",
		"again", "once", "out", "off", "per", "via", "one", "two", "many", "much", "even", "still", "however", "often",
		"like", "use", "used", "using", "make", "made", "get", "got",
		"der", "die", "das", "und", "den", "dem", "des", "ein", "eine", "einer", "einem", "einen", "ist", "sind", "war",
		"nicht", "auch", "auf", "mit", "von", "für", "sich", "als", "dass", "wird", "werden", "oder", "aus", "bei", "nach",
		"les", "une", "est", "dans", "pour", "que", "qui", "par", "sur", "pas", "plus", "avec", "sont", "aux",
		"los", "las", "del", "una", "con", "por", "para", "como", "más", "pero":
		return true
	}
	return false
}
