package sqlstore

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ginwx/wxlogin/store"
)

// allStatements lists the statements of a dialect that it uses, by name.
func allStatements(d Dialect, table string) map[string]statement {
	list := map[string]statement{}
	v := reflect.ValueOf(*newStatements(d, table))
	for i := range v.NumField() {
		st := statement{text: v.Field(i).FieldByName("text").String()}
		for j := range v.Field(i).FieldByName("names").Len() {
			st.names = append(st.names, v.Field(i).FieldByName("names").Index(j).String())
		}
		if st.text != "" {
			list[v.Type().Field(i).Name] = st
		}
	}
	return list
}

func TestStatementsHoldPlaceholdersOnly(t *testing.T) {
	placeholder := map[Dialect]*regexp.Regexp{
		PostgreSQL: regexp.MustCompile(`\$[0-9]+`),
		MySQL:      regexp.MustCompile(`\?`),
		SQLite:     regexp.MustCompile(`\?`),
	}
	// The only literals are those of the clock.
	literals := map[Dialect][]string{MySQL: {"'1970-01-01 00:00:00'"}, SQLite: {"'now'"}}
	for _, d := range dialects {
		all := allStatements(d, "wx.entries")
		if want := map[Dialect]int{PostgreSQL: 11, MySQL: 12, SQLite: 10}[d]; len(all) != want {
			t.Errorf("%v has %d statements, want %d", d, len(all), want)
		}
		for name, st := range all {
			found := placeholder[d].FindAllString(st.text, -1)
			if len(found) != len(st.names) || (len(found) == 0) != (name == "confirm") {
				t.Errorf("%v %s: %d placeholders for %d parameters\n%s", d, name, len(found), len(st.names), st.text)
			}
			for i, p := range found {
				if d == PostgreSQL && p != fmt.Sprintf("$%d", i+1) {
					t.Errorf("%v %s: placeholder %d is %s\n%s", d, name, i+1, p, st.text)
				}
			}
			text := st.text
			for _, literal := range literals[d] {
				text = strings.ReplaceAll(text, literal, "")
			}
			if strings.ContainsAny(text, "':{};") || strings.Contains(text, "--") {
				t.Errorf("%v %s holds a literal or is unfinished:\n%s", d, name, st.text)
			}
			if table := d.quote("wx") + "." + d.quote("entries"); !strings.Contains(text, table) {
				t.Errorf("%v %s does not use the table %s:\n%s", d, name, table, st.text)
			}
			for _, p := range st.names {
				if v := (&params{}).get(p); reflect.DeepEqual(v, (&params{}).get("limit")) && p != "limit" && p != "ttl" {
					t.Errorf("%v %s: parameter %q has no value of its own", d, name, p)
				}
			}
		}
	}
}

func TestEveryWriteChangesTheVersion(t *testing.T) {
	for _, d := range dialects {
		for name, st := range allStatements(d, "entries") {
			if strings.Contains(st.text, "UPDATE ") && !strings.Contains(strings.ReplaceAll(st.text, "FOR UPDATE", ""), "version + 1") && name != "sweep" {
				t.Errorf("%v %s writes and leaves the version as it was:\n%s", d, name, st.text)
			}
		}
	}
}

func TestWhatTheCallerGivesReachesTheDriverAsArguments(t *testing.T) {
	for _, d := range dialects {
		s, f := newFake(t, d, always(answer{affected: 1}))
		for _, call := range verbs(s) {
			_ = call(context.Background())
		}
		var args []any
		for _, sent := range f.sent {
			for _, own := range []string{"thekey", "theowner", "the value", "the old"} {
				if strings.Contains(sent.text, own) {
					t.Errorf("%v: %q is in the text %s", d, own, sent.text)
				}
			}
			args = append(args, sent.args...)
		}
		for _, own := range []any{"thekey", "theowner", []byte("the value"), []byte("the old"), ttl.Milliseconds()} {
			if !slices.ContainsFunc(args, func(arg any) bool { return reflect.DeepEqual(arg, own) }) {
				t.Errorf("%v: %q is no argument of any statement", d, own)
			}
		}
	}
}

func TestAnEmptyValueIsNotNull(t *testing.T) {
	p := &params{}
	for _, name := range []string{"value", "old"} {
		if got, ok := p.get(name).([]byte); !ok || got == nil {
			t.Errorf("parameter %s without bytes is %v, want an empty value", name, p.get(name))
		}
	}
	if got := p.get("owner"); got != nil {
		t.Errorf("no owner is %v, want NULL", got)
	}
}

func FuzzKeys(f *testing.F) {
	for _, seed := range []string{"", "k", "session:0az", "K", "k k", "k\x00", "k'", "ключ", strings.Repeat("k", 128), strings.Repeat("k", 129)} {
		f.Add(seed)
	}
	well := regexp.MustCompile(fmt.Sprintf(`\A[0-9a-z:]{1,%d}\z`, store.MaxKeyLen))
	f.Fuzz(func(t *testing.T, key string) {
		if got, want := store.CheckKey(key) == nil, well.MatchString(key); got != want {
			t.Errorf("CheckKey(%q) is nil: %v, want %v", key, got, want)
		}
	})
}

func FuzzTableNames(f *testing.F) {
	for _, seed := range []string{"", "t", "a.b", "a.b.c", "T", "1t", `t"`, "t;", "t`", ".", strings.Repeat("t", 49)} {
		f.Add(seed)
	}
	well := regexp.MustCompile(fmt.Sprintf(`\A([a-z_][a-z0-9_]{0,%d}\.)?[a-z_][a-z0-9_]{0,%d}\z`, maxTableLen-1, maxTableLen-1))
	f.Fuzz(func(t *testing.T, table string) {
		if got, want := checkTable(table) == nil, well.MatchString(table); got != want {
			t.Errorf("the table name %q: allowed is %v, want %v", table, got, want)
		}
	})
}
