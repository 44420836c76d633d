package results

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
)

// referenceMark begins a stored value that stands for a blob. No JSON begins
// with a zero byte and no compressed value with this one; a request or a
// response that does all the same is compressed before it is stored.
const referenceMark = "\x00blob "

// reference says where the blob of a job is and what it holds, so that another
// one, or a part of one, is not taken for it.
type reference struct {
	name string // within the job's folder
	size int
	sum  [sha256.Size]byte
}

func newReference(name string, value []byte) reference {
	return reference{name: name, size: len(value), sum: sha256.Sum256(value)}
}

// isReference reports whether a stored value is a reference.
func isReference(stored []byte) bool { return bytes.HasPrefix(stored, []byte(referenceMark)) }

// encode is the reference as it is stored.
func (r reference) encode() []byte {
	return fmt.Appendf(nil, "%s%d %x %s", referenceMark, r.size, r.sum, r.name)
}

func parseReference(stored []byte) (reference, error) {
	var r reference
	var sum []byte
	text, _ := bytes.CutPrefix(stored, []byte(referenceMark))
	n, err := fmt.Sscanf(string(text), "%d %x %s", &r.size, &sum, &r.name)
	if err != nil || n != 3 || len(sum) != len(r.sum) || !bytes.Equal(reference{r.name, r.size, [sha256.Size]byte(sum)}.encode(), stored) {
		return reference{}, errors.New("reference to a blob is not readable")
	}
	r.sum = [sha256.Size]byte(sum)
	return r, nil
}

// fits reports whether a value is the one that was referred to.
func (r reference) fits(value []byte) bool {
	return len(value) == r.size && sha256.Sum256(value) == r.sum
}
