package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// terminal opens a terminal of 100 columns, and returns what it shows.
func terminal(t *testing.T) (tty *os.File, shown *testlog.Buffer) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	control := func(f *os.File, request uintptr, arg unsafe.Pointer) {
		t.Helper()
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
			t.Fatal(errno)
		}
	}
	var locked, number int32
	control(master, syscall.TIOCSPTLCK, unsafe.Pointer(&locked))
	control(master, syscall.TIOCGPTN, unsafe.Pointer(&number))
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	size := [4]uint16{40, 100}
	control(tty, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	shown = new(testlog.Buffer)
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			_, _ = shown.Write(buffer[:n])
			if err != nil {
				return // the other end is closed
			}
		}
	}()
	t.Cleanup(func() {
		_ = tty.Close()
		<-read
		_ = master.Close()
	})
	return tty, shown
}

// On a terminal there is a bar, with what is in work below it, and failures above; the
// end is on it once.
func TestSummarizeOnATerminal(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	gate := make(chan struct{})
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		if strings.Contains(inputOf(request), "Slow.") {
			<-gate
		}
		return reads(request, attempt)
	})
	l.put("empty.md", " ")
	l.put("slow.md", "Slow.")
	tty, shown := terminal(t)
	code := make(chan int, 1)
	c := &cli{
		system:  system{stdin: tty, stdout: tty, stderr: tty, environ: append([]string{"LONGHAUL_LOG_LEVEL=error"}, l.env...)},
		console: newConsole(tty), args: []string{"summarize", l.dir, "--out", l.out},
		start: localStarters(), patience: time.Minute, watched: func() bool { return false },
	}
	go func() { code <- c.run(t.Context()) }()
	until(t, "the bar", func() bool { return strings.Contains(shown.String(), "summarize 1/2 [") })
	until(t, "what is in work", func() bool { return strings.Contains(shown.String(), "slow.md: the document, ") })
	close(gate)
	if got := <-code; got != 1 {
		t.Errorf("exit code %d, want 1", got)
	}
	until(t, "the end", func() bool { return strings.Contains(shown.String(), "shows them all\r\n") })
	text := shown.String()
	for _, want := range []string{"reading the documents 2/2 [", "summarize 2/2 [", "writing the report 2/2 [", "1 succeeded, 1 failed", "succeeded  1\r\n", "failed     1\r\n", "summaries are in "} {
		if !strings.Contains(text, want) {
			t.Errorf("the terminal does not show %q:\n%q", want, text)
		}
	}
	if n := strings.Count(text, "the document holds no text"); n != 1 {
		t.Errorf("the reason is shown %d times:\n%q", n, text)
	}
}
