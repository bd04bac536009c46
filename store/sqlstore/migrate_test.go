package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestMigrateRefusesConnectionsThatNeverCommit(t *testing.T) {
	s, f := newFake(t, MySQL, always(answer{rows: [][]driver.Value{{int64(0)}}}))
	err := s.Migrate(context.Background())
	if err == nil || !strings.Contains(err.Error(), "autocommit") {
		t.Errorf("error %v, want one that names autocommit", err)
	}
	if got := f.texts(); !slices.Equal(got, []string{"SELECT"}) {
		t.Errorf("sent %v, want the question alone", got)
	}
}

func TestMigrateRefusesSomebodyElsesTable(t *testing.T) {
	for _, d := range dialects {
		s, _ := newFake(t, d, func(_ context.Context, text string, _ []driver.NamedValue) answer {
			if strings.HasPrefix(text, "SELECT entry_key") {
				return answer{err: errEngine}
			}
			return answer{rows: [][]driver.Value{{int64(1)}}}
		})
		if err := s.Migrate(context.Background()); !errors.Is(err, errEngine) {
			t.Errorf("%v: error %v, want the one about the columns", d, err)
		}
	}
}

func TestMigrateMakesWhatSchemaSays(t *testing.T) {
	for _, d := range dialects {
		s, f := newFake(t, d, always(answer{rows: [][]driver.Value{{int64(1)}}}), WithTable("wx.entries"))
		if err := s.Migrate(context.Background()); err != nil {
			t.Fatal(err)
		}
		var made []string
		for _, sent := range f.sent {
			if strings.HasPrefix(sent.text, "CREATE") {
				made = append(made, sent.text+";\n")
			}
		}
		schema, err := d.Schema("wx.entries")
		if got := strings.Join(made, ""); got != schema || err != nil {
			t.Errorf("%v: Migrate makes\n%swhile Schema says (error %v)\n%s", d, got, err, schema)
		}
	}
}

func TestSchemaRefusesWhatNewRefuses(t *testing.T) {
	for _, d := range append(dialects, 0, SQLite+1) {
		for _, table := range []string{"entries", "Entries", ""} {
			schema, err := d.Schema(table)
			if good := d.String() != "Dialect(0)" && d <= SQLite && table == "entries"; good != (err == nil) || good != (schema != "") {
				t.Errorf("%v.Schema(%q): %d bytes, error %v", d, table, len(schema), err)
			}
		}
	}
}

func TestTablesDoNotShareAMigrationLock(t *testing.T) {
	if lockID("a") == lockID("b") {
		t.Error("two tables have one lock")
	}
}
