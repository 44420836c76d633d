package jobs

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Money is an amount in billionths of a US dollar, so that sums are exact: the
// cheapest token of any price list costs some ten of them.
type Money int64

// Dollar is one US dollar.
const Dollar Money = 1_000_000_000

// moneyDigits is how many digits after the point an amount has.
const moneyDigits = 9

// ParseMoney reads an amount in dollars, such as 12, 0.05 or $1.50. The error
// follows the offending text as the rest of a sentence.
func ParseMoney(text string) (Money, error) {
	digits, negative := strings.CutPrefix(text, "-")
	digits = strings.TrimPrefix(digits, "$")
	whole, part, pointed := strings.Cut(digits, ".")
	if whole == "" || pointed && part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return 0, errors.New("is no amount in dollars; write for example 12 or 0.05")
	}
	if len(part) > moneyDigits {
		return 0, fmt.Errorf("has more than %d digits after the point; round it", moneyDigits)
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", moneyDigits-len(part)), 10, 64)
	if err != nil {
		return 0, errors.New("is too large an amount; give a smaller one")
	}
	if negative {
		n = -n
	}
	return Money(n), nil
}

// Dollars is the amount as a number, for metrics; it is exact to some sixteen digits.
func (m Money) Dollars() float64 { return float64(m) / float64(Dollar) }

// String shows the amount in dollars, to the cent at least and as exactly as it is.
func (m Money) String() string {
	sign, n := "", uint64(m) //nolint:gosec // the sign is seen to
	if m < 0 {
		sign, n = "-", -uint64(m) //nolint:gosec // so is the smallest of all
	}
	part := strings.TrimRight(fmt.Sprintf("%09d", n%uint64(Dollar)), "0")
	return fmt.Sprintf("%s$%d.%s", sign, n/uint64(Dollar), part+strings.Repeat("0", max(0, 2-len(part))))
}

// MarshalJSON writes the amount as a number of dollars, with all its digits.
func (m Money) MarshalJSON() ([]byte, error) {
	return []byte(strings.Replace(m.String(), "$", "", 1)), nil
}

// UnmarshalJSON reads a number of dollars, which may have an exponent, as JavaScript writes
// 1e-7. As is usual, null changes nothing.
func (m *Money) UnmarshalJSON(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	n, err := ParseMoney(withoutExponent(string(raw)))
	if err != nil {
		return fmt.Errorf("%.40s %w", raw, err)
	}
	*m = n
	return nil
}

// withoutExponent writes a JSON number with all its digits. What is no number, or one that
// no amount could be, stays as it is.
func withoutExponent(number string) string {
	digits, exponent, ok := strings.Cut(strings.ToLower(number), "e")
	shift, err := strconv.Atoi(exponent)
	if !ok || err != nil || max(shift, -shift) > 2*moneyDigits {
		return number
	}
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	whole, part, _ := strings.Cut(digits, ".")
	padding := strings.Repeat("0", 2*moneyDigits)
	all, point := padding+whole+part+padding, len(padding)+len(whole)+shift
	whole, part = strings.TrimLeft(all[:point], "0"), strings.TrimRight(all[point:], "0")
	return sign + cmp.Or(whole, "0") + "." + cmp.Or(part, "0")
}
