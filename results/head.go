package results

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The places of the values in a job's head that the store reads; the scripts
// know the others too. The layout is described in keys.go.
const (
	headVersion  = 1
	headAdmitted = 10
	headNudge    = 11
	headLooks    = 13
	headLapsed   = 16
	headAlone    = 17
	headLinks    = 20
	headThread   = 21
)

// readHead takes over what is kept beside a job's record.
func readHead(j *jobs.Job, head string) {
	values := strings.Split(head, " ")
	at := func(i int) string {
		if i >= len(values) {
			return ""
		}
		return values[i]
	}
	j.Version = parseInt(at(headVersion))
	if ms := parseInt(at(headAdmitted)); ms != 0 {
		j.Admitted = time.UnixMilli(ms).UTC()
	}
	j.Nudge = int(parseInt(at(headNudge)))
	j.Looks = decodeLooks(at(headLooks))
	j.Lapsed, j.AloneBy = int(parseInt(at(headLapsed))), at(headAlone)
	j.Links = at(headLinks)
	if _, follows, ok := strings.Cut(at(headThread), ","); ok && j.Follows == "" {
		j.Follows = jobs.ID(follows) // until a step writes it into the record
	}
}

// encodeLooks writes the counters that change with every look into the head, so
// that a look does not rewrite the record. The status is the provider's, and may
// be anything. What is said of its streams comes behind that, and only where there is
// something to say: an older build reads no other lists than those of six.
func encodeLooks(l jobs.Looks) string {
	text := fmt.Sprintf("%d,%d,%d,%d,%d,%s", l.Count, l.Failed, l.NotFound, ms(l.Last), ms(l.Next), url.QueryEscape(l.Status))
	switch {
	case l.Unstreamed:
		return text + ",never"
	case l.Dry > 0:
		return text + "," + strconv.Itoa(l.Dry)
	}
	return text
}

func decodeLooks(text string) jobs.Looks {
	parts := strings.Split(text, ",")
	if len(parts) < 6 {
		return jobs.Looks{}
	}
	status, err := url.QueryUnescape(parts[5])
	if err != nil {
		status = "" // not ours
	}
	l := jobs.Looks{
		Count: int(parseInt(parts[0])), Failed: int(parseInt(parts[1])), NotFound: int(parseInt(parts[2])),
		Last: time.UnixMilli(parseInt(parts[3])).UTC(), Next: time.UnixMilli(parseInt(parts[4])).UTC(),
		Status: status,
	}
	if len(parts) > 6 {
		l.Dry, l.Unstreamed = int(parseInt(parts[6])), parts[6] == "never"
	}
	return l
}

// parseInt reads a number that we wrote; anything else is 0.
func parseInt(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
