package jobs

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// IDPrefix begins every job id.
const IDPrefix = "job_"

// MaxShards bounds the number of shards of an installation: the shard is the
// last byte of a job id.
const MaxShards = 256

// ID names a job: "job_" and the 32 hexadecimal digits of a UUIDv7 (RFC 9562),
// so ids sort by the time they were made. The last two digits are the number of
// the shard that keeps the job; 66 of the UUID's 74 random bits are left.
type ID string

// NewID makes an id at the given time in the given shard.
func NewID(now time.Time, shard int) ID {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails: crypto/rand crashes the program instead
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(u[:6], ms[2:])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	u[15] = byte(shard) //nolint:gosec // G115: there are at most MaxShards
	return ID(IDPrefix + hex.EncodeToString(u[:]))
}

// ParseID checks that s has the form of a job id.
func ParseID(s string) (ID, error) {
	digits, ok := strings.CutPrefix(s, IDPrefix)
	if !ok || len(digits) != 32 || digits != strings.ToLower(digits) {
		return "", fmt.Errorf("job id %q: want %q and 32 lower-case hexadecimal digits", bounded(s, 60), IDPrefix)
	}
	if _, err := hex.DecodeString(digits); err != nil {
		return "", fmt.Errorf("job id %q: want %q and 32 lower-case hexadecimal digits", s, IDPrefix)
	}
	return ID(s), nil
}

// Shard returns the number of the shard that keeps the job, or -1 for a string
// that is no id.
func (id ID) Shard() int {
	if _, err := ParseID(string(id)); err != nil {
		return -1
	}
	n, err := strconv.ParseUint(string(id[len(id)-2:]), 16, 8)
	if err != nil {
		return -1
	}
	return int(n)
}

// Time returns the millisecond in which the id was made, or the zero time for a
// string that is no id.
func (id ID) Time() time.Time {
	if _, err := ParseID(string(id)); err != nil {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(string(id[len(IDPrefix):len(IDPrefix)+12]), 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
