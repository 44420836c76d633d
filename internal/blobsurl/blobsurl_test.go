package blobsurl_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/blobsurl"
)

func TestParameters(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want url.Values
		says string // of the error
	}{
		{"file:///a", url.Values{}, ""},
		{"s3://b?region=r&endpoint=https%3A%2F%2Fminio%3A9000", url.Values{"region": {"r"}, "endpoint": {"https://minio:9000"}}, ""},
		{"file:///a?x=canary", nil, "a folder does not"},
		{"s3://b?region=%zz", nil, "cannot be read"},
		{"s3://b?region=a&secret_key=canary", nil, `"secret_key", which does not exist`},
		{"s3://b?region=a&region=canary", nil, "twice"},
		{"s3://b?endpoint=", nil, "an endpoint that is none"},
		{"s3://b?endpoint=https%3A%2F%2Fme%3Acanary%40minio", nil, "one with credentials"},
		{"s3://b?endpoint=https%3A%2F%2Fminio%2F%3Fkey%3Dcanary", nil, "one with credentials"},
	} {
		u, err := url.Parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := blobsurl.Parameters(u)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
		if (err != nil) != (tt.says != "") || err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: err %v, want %q said and nothing repeated", tt.text, err, tt.says)
		}
	}
}
