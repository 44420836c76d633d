package blobs

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/longhaul-jobs/longhaul/internal/blobsurl"
)

// awsEndpoint is where buckets are unless another endpoint is named.
const awsEndpoint = "https://s3.amazonaws.com"

// openBucket reads the URL of a bucket. It speaks to nobody.
func openBucket(u *url.URL, config Config) (*bucket, error) {
	if u.Host == "" || u.Port() != "" || u.Opaque != "" {
		return nil, invalid("names no bucket; write s3://bucket/prefix?region=…, with endpoint=https://host:port for one that is not on AWS")
	}
	query, err := blobsurl.Parameters(u)
	if err != nil {
		return nil, invalid("%s", err)
	}
	b := &bucket{name: u.Host, timeout: config.Timeout}
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		if checkKey(prefix) != nil {
			return nil, invalid("has a prefix that is none: letters, digits and . _ - : with slashes in between")
		}
		b.prefix = prefix + "/"
	}
	options := &minio.Options{Region: query.Get("region"), MaxRetries: tries, Transport: config.transport}
	e := blobsurl.Endpoint(cmp.Or(query.Get("endpoint"), awsEndpoint))
	options.Secure = e.Scheme == "https"
	switch style := query.Get("style"); style {
	case "":
	case "path":
		options.BucketLookup = minio.BucketLookupPath
	case "host":
		options.BucketLookup = minio.BucketLookupDNS
	default:
		return nil, invalid("has the style %.40q; there are path and host", style)
	}
	if options.Creds, err = bucketCredentials(query.Get("credentials"), config); err != nil {
		return nil, err
	}
	if b.core.Client, err = minio.New(e.Host, options); err != nil {
		return nil, invalid("has an endpoint that the S3 client does not take; write endpoint=https://host:port")
	}
	return b, nil
}

// bucketCredentials are those that the URL asks for. Nothing is taken from the
// environment or from the machine unless it says so: what is set for another
// program must not be sent to an endpoint of one's own.
func bucketCredentials(from string, config Config) (*credentials.Credentials, error) {
	given := config.AccessKey != "" || config.SecretKey != "" || config.SessionToken != ""
	switch {
	case from != "" && from != "keys" && from != "env" && from != "iam":
		return nil, invalid("has the credentials %.40q; there are keys, env and iam", from)
	case from != "" && from != "keys" && given:
		return nil, invalid("asks for the credentials of %s, but blobs.access_key, blobs.secret_key or blobs.session_token is set as well; keep one", from)
	case from == "env":
		return credentials.NewEnvAWS(), nil
	case from == "iam":
		return credentials.NewIAM(""), nil
	case config.AccessKey == "" || config.SecretKey == "":
		return nil, invalid("is a bucket; set blobs.access_key and blobs.secret_key, or add credentials=env or credentials=iam to it")
	}
	return credentials.NewStaticV4(config.AccessKey, config.SecretKey, config.SessionToken), nil
}
