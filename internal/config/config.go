// Package config is the configuration of both binaries: what can be set, where
// a value comes from, and whether the values make sense together. It owns the
// table of keys (see keys.go), from which the defaults, the flags, the names of
// the environment variables and the tables of docs/configuration.md all follow,
// and it is the only reader of the environment beside the commands.
//
// It knows nothing of what the values are used for: it opens no connection,
// looks up no host and imports no package that reads a [Config]. A [Config]
// that [Load] returned is complete and valid; nobody changes it afterwards.
package config

import (
	"log/slog"
	"time"
)

// Config is the whole configuration. Everything that reads it may rely on what
// the table of keys promises: durations are within their bounds, the lane
// "default" exists, names are names.
type Config struct {
	Redis     Redis     `mapstructure:"redis"`
	OpenAI    OpenAI    `mapstructure:"openai"`
	Poll      Poll      `mapstructure:"poll"`
	Stream    Stream    `mapstructure:"stream"`
	Batch     Batch     `mapstructure:"batch"`
	Jobs      Jobs      `mapstructure:"jobs"`
	Ledger    Ledger    `mapstructure:"ledger"`
	Blobs     Blobs     `mapstructure:"blobs"`
	Watchdog  Watchdog  `mapstructure:"watchdog"`
	Effects   Effects   `mapstructure:"effects"`
	HTTP      HTTP      `mapstructure:"http"`
	Webhooks  Webhooks  `mapstructure:"webhooks"`
	Uncertain Uncertain `mapstructure:"uncertain"`
	Log       Log       `mapstructure:"log"`
	Shutdown  Shutdown  `mapstructure:"shutdown"`
	Simulator Simulator `mapstructure:"simulator"`

	// Endpoints are those beside the one that OpenAI describes, by name; see
	// [Config.AllEndpoints]. For reading only, like Lanes.
	Endpoints map[string]Endpoint `mapstructure:"endpoints"`
	// Lanes are the lanes that a worker serves, by name. Copies of a Config
	// share the map, so it is for reading only.
	Lanes map[string]Lane `mapstructure:"lanes"`
	// Prices are what models and tools cost, over what the build knows, by name; for
	// reading only.
	Prices map[string]Price `mapstructure:"prices"`

	// Budgets are how much may be spent, by name; for reading only.
	Budgets map[string]Budget `mapstructure:"budgets"`

	// sources says where each value came from, by key, for [Config.Table].
	sources map[string]string
}

// Redis says where the records are kept.
type Redis struct {
	// URL reveals an address as package redisurl reads it. Shown, it has no
	// password.
	URL Secret `mapstructure:"url"`
	// Prefix begins every Redis key.
	Prefix string `mapstructure:"prefix"`
	// PoolSize is the most connections of one process, 0 for the client
	// library's own default.
	PoolSize int `mapstructure:"pool_size"`
	// WaitReplicas is how many replicas must have an intent, WaitDisk whether
	// disks must, and WaitTimeout how long that may take.
	WaitReplicas int           `mapstructure:"wait_replicas"`
	WaitDisk     bool          `mapstructure:"wait_disk"`
	WaitTimeout  time.Duration `mapstructure:"wait_timeout"`
}

// OpenAI says who answers requests unless a lane names another endpoint, and as
// whom we ask.
type OpenAI struct {
	// Endpoint is the name under which records remember this provider.
	Endpoint string `mapstructure:"endpoint"`
	// BaseURL has no trailing slash and neither query nor credentials.
	BaseURL string `mapstructure:"base_url"`
	// APIKey may be empty: a process that only hands jobs over needs none.
	APIKey Secret `mapstructure:"api_key"`
	// Organization and Project are sent as headers if they are not empty.
	Organization string `mapstructure:"organization"`
	Project      string `mapstructure:"project"`
	// WebhookSecrets are what webhooks of this provider may be signed with.
	WebhookSecrets []Secret `mapstructure:"webhook_secrets"`
	// Model is that of a request which names none.
	Model string `mapstructure:"model"`
	// CreateTimeout bounds one POST, LookTimeout one GET.
	CreateTimeout time.Duration `mapstructure:"create_timeout"`
	LookTimeout   time.Duration `mapstructure:"look_timeout"`
}

// Endpoint is a provider, and as whom we ask it.
type Endpoint struct {
	// Name is what records remember it by.
	Name string `mapstructure:"name"`
	// BaseURL has no trailing slash and neither query nor credentials.
	BaseURL string `mapstructure:"base_url"`
	// APIKey may be empty: a worker without it does not serve the endpoint.
	APIKey Secret `mapstructure:"api_key"`
	// KeyVariable is the environment variable that holds the key, "" if none is named.
	KeyVariable string `mapstructure:"-"`
	// Organization and Project are sent as headers if they are not empty.
	Organization string `mapstructure:"organization"`
	Project      string `mapstructure:"project"`
	// WebhookSecrets are what its webhooks may be signed with.
	WebhookSecrets []Secret `mapstructure:"webhook_secrets"`
	// CreateTimeout bounds one POST, LookTimeout one GET.
	CreateTimeout time.Duration `mapstructure:"create_timeout"`
	LookTimeout   time.Duration `mapstructure:"look_timeout"`
}

// Lane is what a worker gives to one stream of work.
type Lane struct {
	// Concurrency is how many submits of the lane one worker makes at once.
	Concurrency int `mapstructure:"concurrency"`
	// Window is how many jobs of the lane may be in Asynq at once; it is never
	// below Concurrency.
	Window int `mapstructure:"window"`
	// Endpoint is where the lane's requests are sent.
	Endpoint string `mapstructure:"endpoint"`
	// RequestsPerMinute and TokensPerMinute are what all workers together send, and
	// InFlight is the most responses that have not ended; 0 is no limit of ours.
	RequestsPerMinute int `mapstructure:"requests_per_minute"`
	TokensPerMinute   int `mapstructure:"tokens_per_minute"`
	InFlight          int `mapstructure:"in_flight"`
	// Paused has the lane send nothing until it is resumed at run time.
	Paused bool `mapstructure:"paused"`
	// PriorityWeights are what its priorities weigh against each other, the lowest
	// first; none is the default.
	PriorityWeights []int `mapstructure:"priority_weights"`
	// Models are the models whose jobs go to the lane when they name none.
	Models []string `mapstructure:"models"`
}

// Poll says how responses are watched.
type Poll struct {
	// Floor and Ceiling are the shortest and the longest wait between two looks.
	Floor   time.Duration `mapstructure:"floor"`
	Ceiling time.Duration `mapstructure:"ceiling"`
	// Learn says whether looks follow how long responses have taken, and LookCost
	// how much lag is worth a look.
	Learn    bool          `mapstructure:"learn"`
	LookCost time.Duration `mapstructure:"look_cost"`
	// MaxLooksPerSecond bounds the looks of all workers together; 0 does not.
	MaxLooksPerSecond int `mapstructure:"max_looks_per_second"`
	// Concurrency is how many looks one worker makes at once.
	Concurrency int `mapstructure:"concurrency"`
	// Tick is how often a worker asks for looks that are due.
	Tick time.Duration `mapstructure:"tick"`
	// Lease is how long a claimed look belongs to its worker.
	Lease time.Duration `mapstructure:"lease"`
	// NotFoundGrace is how long a response may be unknown to the provider
	// before it counts as lost.
	NotFoundGrace time.Duration `mapstructure:"not_found_grace"`
	// StopGrace is how long a stopped job waits for its response to end.
	StopGrace time.Duration `mapstructure:"stop_grace"`
}

// Batch says how requests of the service tier batch are put together.
type Batch struct {
	// Wait is how long the first request waits for others.
	Wait time.Duration `mapstructure:"wait"`
	// MaxLines and MaxBytes bound one batch.
	MaxLines int `mapstructure:"max_lines"`
	MaxBytes int `mapstructure:"max_bytes"`
	// LookEvery is the pause between two looks at a batch.
	LookEvery time.Duration `mapstructure:"look_every"`
}

// Stream says how streamed responses are followed.
type Stream struct {
	// MaxOpen is how many one worker follows at once.
	MaxOpen int `mapstructure:"max_open"`
	// Stall is how long a stream may bring nothing.
	Stall time.Duration `mapstructure:"stall"`
	// MaxEvents is about how many events of a job are kept, and Keep for how long after
	// the last one.
	MaxEvents int           `mapstructure:"max_events"`
	Keep      time.Duration `mapstructure:"keep"`
}

// Jobs bounds what is stored.
type Jobs struct {
	MaxRequestBytes  int `mapstructure:"max_request_bytes"`
	MaxResponseBytes int `mapstructure:"max_response_bytes"`
	// CompressBytes is the size above which bodies are compressed.
	CompressBytes int `mapstructure:"compress_bytes"`
	// MaxInlineBytes is the size up to which Redis keeps a request itself.
	MaxInlineBytes int `mapstructure:"max_inline_bytes"`
}

// Ledger says how long it is known what responses cost.
type Ledger struct {
	Retention time.Duration `mapstructure:"retention"`
}

// Blobs says where what is too large for Redis is kept.
type Blobs struct {
	// URL begins with file:// or s3://, or is empty for none.
	URL string `mapstructure:"url"`
	// AccessKey, SecretKey and SessionToken are the credentials of a bucket; they
	// may be empty.
	AccessKey    Secret `mapstructure:"access_key"`
	SecretKey    Secret `mapstructure:"secret_key"`
	SessionToken Secret `mapstructure:"session_token"`
	// Over is the size above which bodies go there, after compression.
	Over int `mapstructure:"over"`
	// Timeout bounds one operation.
	Timeout time.Duration `mapstructure:"timeout"`
}

// Watchdog says when a debt is overdue and a worker dead.
type Watchdog struct {
	SubmitAfter time.Duration `mapstructure:"submit_after"`
	CheckEvery  time.Duration `mapstructure:"check_every"`
	Heartbeat   time.Duration `mapstructure:"heartbeat"`
	DeadAfter   time.Duration `mapstructure:"dead_after"`
	AuditEvery  time.Duration `mapstructure:"audit_every"`
}

// Effects bounds what is done after a look.
type Effects struct {
	Concurrency int `mapstructure:"concurrency"`
}

// HTTP says where a worker listens.
type HTTP struct {
	// Addr is host:port, or empty for no listener.
	Addr string `mapstructure:"addr"`
}

// Webhooks says how the provider's webhooks are taken. Which ones are known by
// their secrets is said with each endpoint.
type Webhooks struct {
	// Addr is host:port of a listener of their own, or empty for [HTTP]'s.
	Addr string `mapstructure:"addr"`
	// SafetyNet is the wait between two looks at a response whose end a webhook will
	// tell.
	SafetyNet time.Duration `mapstructure:"safety_net"`
}

// Uncertain says what becomes of a create whose answer was lost.
type Uncertain struct {
	// Wait is how long its webhook is waited for before the job's policy decides.
	Wait time.Duration `mapstructure:"wait"`
}

// Log says what is logged, and how.
type Log struct {
	Level  slog.Level `mapstructure:"level"`
	Format LogFormat  `mapstructure:"format"`
}

// LogFormat is how log records are written.
type LogFormat string

// The log formats.
const (
	LogAuto LogFormat = "auto" // text on a terminal, JSON otherwise
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Shutdown bounds the drain.
type Shutdown struct {
	// Grace is how long work under way may take to finish.
	Grace time.Duration `mapstructure:"grace"`
}
