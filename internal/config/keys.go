package config

import (
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// envPrefix begins every environment variable that is ours.
const envPrefix = "LONGHAUL_"

const (
	day = 24 * time.Hour

	// maxBody is the largest string that Redis keeps unless told otherwise.
	maxBody = 512 << 20
)

// key is a setting. All there is to know of it is said in [keys]: its default,
// its bounds, its flag and variable, and its line in the documentation.
type key struct {
	// name is its path in a file, with dots.
	name string
	// fallback is its default, written as a person would write it.
	fallback string
	kind     kind
	// doc is what it does, in one sentence.
	doc string
	// alias is a variable of OpenAI's own that is asked when nothing else names
	// the key.
	alias string
	// private keeps it off the command line, which every user of the machine can
	// read.
	private bool
}

// env is the environment variable of the key: LONGHAUL_POLL_FLOOR.
func (k key) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// flag is the name of its flag, poll-floor, or "" if it has none.
func (k key) flag() string {
	if k.private {
		return ""
	}
	return strings.NewReplacer(".", "-", "_", "-").Replace(k.name)
}

// group is the part before the dot.
func (k key) group() string {
	group, _, _ := strings.Cut(k.name, ".")
	return group
}

// leaf is the part after the last dot.
func (k key) leaf() string {
	return k.name[strings.LastIndexByte(k.name, '.')+1:]
}

// keys is the table of settings, in the order in which they are shown.
func keys() []key {
	const tiny = time.Millisecond
	timing := jobs.DefaultTiming()
	return []key{
		{name: "redis.url", fallback: "redis://127.0.0.1:6379/0", kind: redisURL(), doc: "Address of the Redis that keeps everything: a single server, a Sentinel set or a Cluster."},
		{name: "redis.prefix", fallback: "longhaul", kind: name(), doc: "Beginning of every Redis key; installations with different prefixes can share a Redis."},
		{name: "redis.pool_size", fallback: "0", kind: count(0, 100_000), doc: "Most connections of one process to each server, 0 for the default of the client library; a worker has two more for its heartbeats."},
		{name: "redis.wait_replicas", fallback: "0", kind: count(0, 100), doc: "How many replicas must have the intent of a create before it is sent."},
		{name: "redis.wait_disk", fallback: "false", kind: toggle(), doc: "Whether the intent must be on disk before the create is sent, on the server and on those replicas; needs Redis 7.2."},
		{name: "redis.wait_timeout", fallback: "1s", kind: duration(tiny, time.Minute), doc: "How long that may take; then nothing is sent and the job waits for another attempt."},

		{name: "openai.endpoint", fallback: "default", kind: name(), doc: "Name under which records remember this provider, credential and project."},
		{name: "openai.base_url", fallback: "https://api.openai.com/v1", kind: baseURL(), alias: "OPENAI_BASE_URL", doc: "Address that the paths of the API are appended to."},
		{name: "openai.api_key", kind: secret(), private: true, alias: "OPENAI_API_KEY", doc: "Credential sent with every request."},
		{name: "openai.organization", kind: header("an id such as org-..., or empty"), alias: "OPENAI_ORG_ID", doc: "Organization that is charged, if the key belongs to several."},
		{name: "openai.project", kind: header("an id such as proj_..., or empty"), alias: "OPENAI_PROJECT_ID", doc: "Project that is charged, if the key belongs to several."},
		{name: "openai.webhook_secrets", kind: secrets(), private: true, alias: "OPENAI_WEBHOOK_SECRET", doc: "Signing secrets of the webhooks that OpenAI sends, the new and the old one while they are changed."},
		{name: "openai.model", fallback: jobs.DefaultModel, kind: model(), doc: "Model of a request that names none."},
		{name: "openai.create_timeout", fallback: "10m", kind: createTimeout(), doc: "How long one POST of a request may take."},
		{name: "openai.look_timeout", fallback: "30s", kind: lookTimeout(), doc: "How long one look at a response may take."},

		{name: endpointsKey, fallback: "{}", kind: named("endpoints", `{"eu":{"api_key_env":"EU_API_KEY"}}`, hidden), private: true, doc: "Further endpoints, by name; as a variable, a JSON object."},

		{name: lanesKey, fallback: "{}", kind: named("lanes", `{"bulk":{"concurrency":8}}`, plainly), doc: "Lanes that a worker serves, by name; as a flag or variable, a JSON object."},

		{name: pricesKey, fallback: "{}", kind: named("models and tools", `{"gpt-4.1":{"input":2,"output":8}}`, plainly), doc: "Prices over those that the build knows, by model or tool, with @ and a day if they count from then on; as a flag or variable, a JSON object."},

		{name: budgetsKey, fallback: "{}", kind: named("budgets", `{"november":{"amount":50,"per":"month"}}`, plainly), doc: "How much may be spent, by a name of your own; as a flag or variable, a JSON object."},

		{name: "ledger.retention", fallback: formatDuration(400 * day), kind: duration(day, 3650*day), doc: "How long it is known what each response has cost."},

		{name: "poll.floor", fallback: "2s", kind: duration(tiny, time.Hour), doc: "Shortest wait between two looks at a response."},
		{name: "poll.ceiling", fallback: "30s", kind: duration(tiny, day), doc: "Longest wait between two looks at a response."},
		{name: "poll.learn", fallback: "true", kind: toggle(), doc: "Whether looks follow how long responses of the same model, reasoning effort and kind have taken."},
		{name: "poll.look_cost", fallback: "1s", kind: duration(tiny, time.Hour), doc: "How much lag between an end and the look that finds it one look less is worth; four times as much halves the looks."},
		{name: "poll.max_looks_per_second", fallback: "0", kind: count(0, 1_000_000), doc: "How many looks all workers together make in a second at most; 0 for any number."},
		{name: "poll.concurrency", fallback: "256", kind: count(1, 100_000), doc: "How many looks one worker makes at once at each endpoint."},
		{name: "poll.tick", fallback: "50ms", kind: duration(tiny, time.Minute), doc: "How often a worker checks whether looks are due; it asks Redis only when some may be."},
		{name: "poll.lease", fallback: "1m30s", kind: duration(tiny, day), doc: "How long a look belongs to the worker that claimed it."},
		{name: "poll.not_found_grace", fallback: "2m", kind: duration(tiny, day), doc: "How long the provider may not know a response before it counts as lost."},
		{name: "poll.stop_grace", fallback: "5m", kind: duration(tiny, day), doc: "How long a cancelled or late job waits for its response to end."},

		{name: "stream.max_open", fallback: "100", kind: count(0, 100_000), doc: "How many streamed responses one worker follows at once; 0 for none. The others are looked at until there is room."},
		{name: "stream.stall", fallback: "1m", kind: duration(tiny, day), doc: "How long a stream may bring nothing before its response is looked at and the stream is opened anew."},
		{name: "stream.max_events", fallback: "10000", kind: count(1, 10_000_000), doc: "About how many events of a job are kept for those who follow its progress, the latest; some sixty bytes each, as a rule."},
		{name: "stream.keep", fallback: "1h", kind: duration(time.Second, 30*day), doc: "How long they are kept after the last one."},

		{name: "batch.wait", fallback: "1m", kind: duration(0, day), doc: "How long the first request of a batch waits for others."},
		{name: "batch.max_lines", fallback: "10000", kind: count(1, jobs.MaxBatchLines), doc: "Most requests of a batch."},
		{name: "batch.max_bytes", fallback: "64MiB", kind: size(1, jobs.MaxBatchBytes), doc: "Largest file of a batch. It is in memory while it is made."},
		{name: "batch.look_every", fallback: "1m", kind: duration(tiny, time.Hour), doc: "How often it is asked how a batch stands."},

		{name: "jobs.max_request_bytes", fallback: formatSize(jobs.DefaultMaxRequestBytes), kind: size(1, maxBody), doc: "Largest request that is accepted."},
		{name: "jobs.max_response_bytes", fallback: "64MiB", kind: size(1, maxBody), doc: "Largest response that is read and stored."},
		{name: "jobs.compress_bytes", fallback: "64KiB", kind: size(1, maxBody), doc: "Size above which requests and responses are compressed."},
		{name: "jobs.max_inline_bytes", fallback: "8MiB", kind: size(1<<10, maxBody), doc: "Largest request, after compression, that Redis keeps itself; a larger one needs a blob store."},

		{name: "blobs.url", kind: blobsURL(), doc: "Store for requests and responses that are too large for Redis."},
		{name: "blobs.access_key", kind: secret(), private: true, doc: "Access key of an S3 bucket."},
		{name: "blobs.secret_key", kind: secret(), private: true, doc: "Secret key that belongs to the access key."},
		{name: "blobs.session_token", kind: secret(), private: true, doc: "Third part of temporary S3 credentials."},
		{name: "blobs.over", fallback: "64KiB", kind: size(1, 64<<20), doc: "Size, after compression, over which a request or response goes to the blob store."},
		{name: "blobs.timeout", fallback: "30s", kind: duration(tiny, time.Hour), doc: "How long one operation on the blob store may take."},

		{name: "watchdog.submit_after", fallback: formatDuration(timing.Submit), kind: duration(tiny, day), doc: "How long an admitted job may wait for its submit, or an ended one for its effects, before they are enqueued anew."},
		{name: "watchdog.check_every", fallback: formatDuration(timing.Check), kind: duration(tiny, time.Hour), doc: "How often a submit under way is checked for a living worker."},
		{name: "watchdog.heartbeat", fallback: "2s", kind: duration(tiny, time.Hour), doc: "How often a worker says that it lives."},
		{name: "watchdog.dead_after", fallback: "8s", kind: duration(tiny, day), doc: "How long after its last heartbeat a worker counts as dead."},
		{name: "watchdog.audit_every", fallback: "10s", kind: duration(tiny, day), doc: "How often a worker searches for what everything else missed."},

		{name: "effects.concurrency", fallback: "8", kind: count(1, 10_000), doc: "How many effects one worker carries out at once at each endpoint."},

		{name: "http.addr", fallback: "127.0.0.1:8080", kind: address(), doc: "Where a worker serves health and metrics, and takes webhooks."},

		{name: "webhooks.addr", kind: address(), doc: "Where a worker takes webhooks and serves nothing else; http.addr unless given."},
		{name: "webhooks.safety_net", fallback: "5m", kind: duration(tiny, day), doc: "How often a response is looked at whose end a webhook will tell."},

		{name: "uncertain.wait", fallback: "1h", kind: duration(0, 30*day), doc: "How long the webhook of a create whose answer was lost is waited for before the job's policy decides."},

		{name: "log.level", fallback: "info", kind: level(), doc: "Least serious level that is logged."},
		{name: "log.format", fallback: string(LogAuto), kind: logFormat(), doc: "How log records are written; auto is text on a terminal and JSON elsewhere."},

		{name: "shutdown.grace", fallback: "25s", kind: duration(tiny, day), doc: "How long work under way may take to finish after SIGTERM."},

		{name: "simulator.addr", fallback: "127.0.0.1:8081", kind: address(), doc: "Where the stand-in provider listens."},
		{name: "simulator.queued", fallback: "1s", kind: duration(0, day), doc: "How long its responses stay queued."},
		{name: "simulator.running", fallback: "3s", kind: duration(0, day), doc: "How long they are then in progress."},
		{name: "simulator.batch", fallback: "0s", kind: duration(0, day), doc: "How long its batches are in progress, 0 for as long as a response."},
		{name: "simulator.enqueued_tokens", fallback: "0", kind: count(0, 1_000_000_000), doc: "Its limit of the input tokens of a model's open batches, 0 for none."},
		{name: "simulator.requests_per_minute", fallback: "0", kind: count(0, 1_000_000_000), doc: "Its limit of requests a minute, 0 for none."},
		{name: "simulator.tokens_per_minute", fallback: "0", kind: count(0, 1_000_000_000), doc: "Its limit of tokens a minute, 0 for none."},
		{name: "simulator.exact_tokens", fallback: "true", kind: toggle(), doc: "Whether it counts tokens as OpenAI's models do; otherwise they are a quarter of the bytes."},
		{name: "simulator.wrong_citations", fallback: "5", kind: count(0, 100), doc: "How many of a hundred passages its answers quote wrongly, where they have to quote."},
		{name: "simulator.api_keys", kind: ofProjects("KEY or KEY@PROJECT, with commas between them", true, printable), private: true, doc: "Keys that it accepts, each alone or with the project that it opens; empty for any."},
		{name: "simulator.webhook_url", kind: ofProjects("URL or URL@PROJECT, with commas between them", false, webhookURL), doc: "Where it tells that a background response has ended, for the responses of no project or of one."},
		{name: "simulator.webhook_secret", kind: ofProjects("SECRET or SECRET@PROJECT, with commas between them", true, printable), private: true, doc: "What it signs that with; with several of one project, each signs."},
	}
}

// names returns the names of the keys, for suggestions.
func names(table []key) []string {
	list := make([]string, 0, len(table))
	for _, k := range table {
		list = append(list, k.name)
	}
	return list
}
