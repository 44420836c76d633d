package blobs_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

var _ results.Blobs = blobs.Store(nil)

func TestURLThatCannotWorkSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, test := range []struct {
		url, says string
	}{
		{"", "file:///"},
		{"/var/lib/blobs", "another scheme"},
		{"http://host/x", "another scheme"},
		{"://", "not a URL"},
		{"file://" + dir + "?x=y", "parameters"},
		{"file://host/x", "three slashes"},
		{"file:x", "three slashes"},
		{"file:///", "no folder"},
		{"file://", "no folder"},
		{"s3://", "no bucket"},
		{"s3:///prefix", "no bucket"},
		{"s3://bucket:9000", "no bucket"},
		{"s3://user:canary@bucket", "blobs.secret_key"},
		{"s3://bucket#x", "#"},
		{"s3://bucket/a%20b", "prefix"},
		{"s3://bucket/../x", "prefix"},
		{"s3://bucket?regoin=x", "regoin"},
		{"s3://bucket?region=a&region=b", "twice"},
		{"s3://bucket?style=virtual", "path and host"},
		{"s3://bucket?endpoint=minio:9000", "https://host:port"},
		{"s3://bucket?endpoint=https%3A%2F%2Fhost%2Fpath", "https://host:port"},
		{"s3://bucket?endpoint=https%3A%2F%2Fuser%3Acanary%40host", "https://host:port"},
		{"s3://bucket?endpoint=%zz", "parameters"},
		{"s3://bucket?credentials=vault", "keys, env and iam"},
		{"s3://bucket?credentials=iam", "keep one"},
	} {
		_, err := blobs.Open(t.Context(), blobs.Config{URL: test.url, AccessKey: "canary", SecretKey: "canary"})
		f := jobs.FailureOf(err)
		if f.Class != jobs.ClassInvalid || f.Param != "blobs.url" || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: err %v; want blobs.url named and %q said", test.url, err, test.says)
		}
	}
	for _, config := range []blobs.Config{
		{URL: "s3://bucket"}, {URL: "s3://bucket", AccessKey: "a"}, {URL: "s3://bucket?credentials=keys", SecretKey: "b"},
	} {
		if _, err := blobs.Open(t.Context(), config); jobs.FailureOf(err).Param != "blobs.url" || !strings.Contains(err.Error(), "blobs.access_key") {
			t.Errorf("%s without credentials: err %v", config.URL, err)
		}
	}
}

func TestCredentialsComeFromTheEnvironmentOnlyIfAskedFor(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	server := newS3(t)
	config := server.config("s3://" + bucketName)
	config.AccessKey, config.SecretKey = "", ""
	if _, err := blobs.Open(t.Context(), config); err == nil {
		t.Error("a bucket was opened without credentials")
	}
	config.URL += "&credentials=env"
	if err := open(t, config).Check(t.Context()); err != nil {
		t.Errorf("Check with the credentials of the environment: %v", err)
	}
}

// The role of a task comes from an address that its surroundings name.
func TestCredentialsComeFromTheMachineIfAskedFor(t *testing.T) {
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"AccessKeyId": accessKey, "SecretAccessKey": secretKey, "Token": "token", "Expiration": time.Now().Add(time.Hour),
		})
	}))
	defer role.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", role.URL)
	server := newS3(t)
	config := server.config("s3://" + bucketName)
	config.AccessKey, config.SecretKey = "", ""
	config.URL += "&credentials=iam"
	if err := open(t, config).Check(t.Context()); err != nil {
		t.Errorf("Check with the credentials of the task's role: %v", err)
	}
}
