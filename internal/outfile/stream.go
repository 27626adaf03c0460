package outfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
)

// streamBuffer is how much a stream gets at a time.
const streamBuffer = 64 << 10

// through writes to a stream.
func (f *File) through(ctx context.Context, write func(io.Writer) error) error {
	target := f.writer
	if target == nil {
		file, err := f.open(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		target = file
	} else if file, ok := target.(*os.File); ok && f.number >= 0 { // our own duplicate: the reader waits for its end
		defer func() { _ = file.Close() }()
	}
	out := &remembering{w: untilDone{ctx, target}}
	buffer := bufio.NewWriterSize(out, streamBuffer)
	err := write(buffer)
	if err == nil {
		err = buffer.Flush()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case ReaderGone(out.err):
		return &WriteError{errors.New("the reader closed it before everything was written")}
	case out.err != nil:
		return &WriteError{cause(out.err)}
	}
	return err
}

// open opens a device or a pipe, for whose reader it waits until ctx ends.
func (f *File) open(ctx context.Context) (*os.File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		file, err := os.OpenFile(f.path, os.O_WRONLY, 0)
		done <- opened{file, err}
	}()
	var o opened
	select {
	case o = <-done:
	case <-ctx.Done():
		// With a reader the open comes to its end. Without one it can't; the program does.
		if !f.IsPipe() {
			return nil, ctx.Err()
		}
		reader, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, ctx.Err()
		}
		if o = <-done; o.err == nil {
			_ = o.file.Close()
		}
		_ = reader.Close()
		return nil, ctx.Err()
	}
	if o.err != nil {
		return nil, &WriteError{cause(o.err)}
	}
	if info, err := o.file.Stat(); err != nil || info.Mode().Type() != f.info.Mode().Type() {
		return nil, errors.Join(&WriteError{errors.New("the name means another file than at the start of the run")}, o.file.Close())
	}
	return o.file, nil
}

// remembering remembers the first error of a writer: what comes back from those who write may be
// in other words.
type remembering struct {
	w   io.Writer
	err error
}

func (r *remembering) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	if err != nil && r.err == nil {
		r.err = err
	}
	return n, err
}

// untilDone is a writer that may be slow, or stop: a write ends with ctx at the latest.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u untilDone) Write(p []byte) (int, error) {
	type written struct {
		n   int
		err error
	}
	done := make(chan written, 1)
	content := bytes.Clone(p) // the caller may reuse p once this has returned
	go func() {
		n, err := u.w.Write(content)
		done <- written{n, err}
	}()
	select {
	case w := <-done:
		return w.n, w.err
	case <-u.ctx.Done():
		return 0, u.ctx.Err()
	}
}
