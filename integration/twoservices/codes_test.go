package twoservices

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/middleware"
)

// declaredClasses reads from package wxlogin's source the name and the text of
// every exported Err… = errors.New(…).
func declaredClasses(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := make(map[string]string)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if vars, ok := decl.(*ast.GenDecl); ok && vars.Tok == token.VAR {
				for _, spec := range vars.Specs {
					addClasses(t, declared, spec.(*ast.ValueSpec))
				}
			}
		}
	}
	return declared
}

func addClasses(t *testing.T, declared map[string]string, spec *ast.ValueSpec) {
	t.Helper()
	for i, name := range spec.Names {
		if !strings.HasPrefix(name.Name, "Err") {
			continue
		}
		if i >= len(spec.Values) {
			t.Fatalf("%s has no value of its own: this test cannot tell its text", name.Name)
		}
		call, ok := spec.Values[i].(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			t.Fatalf("%s is not made by errors.New: this test cannot tell its text", name.Name)
		}
		literal, ok := call.Args[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is not made from a literal: this test cannot tell its text", name.Name)
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatalf("%s: %v", name.Name, err)
		}
		declared[name.Name] = text
	}
}

func TestEveryClassHasACode(t *testing.T) {
	decided := make(map[string]int)
	for _, c := range classes {
		decided[c.class.Error()]++
	}
	declared := declaredClasses(t)
	for name, text := range declared {
		if decided[text] != 1 {
			t.Errorf("wxlogin.%s is in the table %d times, want once: decide on its code", name, decided[text])
		}
		delete(decided, text)
	}
	if len(declared) == 0 || len(decided) != 0 {
		t.Errorf("of %d declared classes the source lacks %v, which the table has", len(declared), decided)
	}
}

// codesOf are the codes that say the same as an HTTP status of package middleware.
var codesOf = map[int][]codes.Code{
	http.StatusBadRequest:          {codes.InvalidArgument},
	http.StatusUnauthorized:        {codes.Unauthenticated},
	http.StatusForbidden:           {codes.PermissionDenied},
	http.StatusConflict:            {codes.FailedPrecondition},
	http.StatusUnprocessableEntity: {codes.InvalidArgument},
	http.StatusTooManyRequests:     {codes.ResourceExhausted},
	http.StatusInternalServerError: {codes.Internal, codes.Unimplemented},
	http.StatusBadGateway:          {codes.Unavailable},
	http.StatusServiceUnavailable:  {codes.Unavailable},
}

func TestACodeSaysWhatTheHTTPStatusSays(t *testing.T) {
	for _, c := range classes {
		err := statusOf(context.Background(), fmt.Errorf("%w: with details that are not the client's", c.class))
		reply := middleware.ReplyFor(c.class, middleware.English)
		if !slices.Contains(codesOf[reply.Status], status.Code(err)) {
			t.Errorf("%v becomes %v over gRPC and %d over HTTP", c.class, status.Code(err), reply.Status)
		}
		if text := status.Convert(err).Message(); text != c.class.Error() {
			t.Errorf("the client is told %q, want %q alone", text, c.class)
		}
	}
	if err := statusOf(context.Background(), errors.New("unforeseen")); status.Code(err) != codes.Internal || strings.Contains(err.Error(), "unforeseen") {
		t.Errorf("an error without a class becomes %v, want %v alone", err, codes.Internal)
	}
}

// atDeadline is a context whose deadline has passed and whose timer has yet to fire.
type atDeadline struct{ context.Context }

func (atDeadline) Deadline() (time.Time, bool) { return time.Now(), true }

func TestOnlyTheCallersContextMakesAnErrorTheCallers(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	inTime, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for _, c := range []struct {
		rule  string
		ctx   context.Context
		cause error
		want  codes.Code
	}{
		{"the caller left", cancelled, context.Canceled, codes.Canceled},
		{"the caller's time is over", expired, context.DeadlineExceeded, codes.DeadlineExceeded},
		{"the caller's time is over, its timer is late", atDeadline{context.Background()}, context.DeadlineExceeded, codes.DeadlineExceeded},
		{"the store's time is over", inTime, context.DeadlineExceeded, codes.Unavailable},
		{"the store's client was closed", context.Background(), context.Canceled, codes.Unavailable},
	} {
		err := statusOf(c.ctx, fmt.Errorf("%w: read session: %w", wxlogin.ErrStoreUnavailable, c.cause))
		if status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", c.rule, err, c.want)
		}
	}
}
