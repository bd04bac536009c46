package sqlstore

import (
	"os"
	"strings"
	"testing"
)

func TestTheDocumentationHasTheSchemas(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dialects {
		schema, err := d.Schema(DefaultTable)
		if err != nil {
			t.Fatal(err)
		}
		var block strings.Builder
		block.WriteString("//\n")
		for line := range strings.Lines(schema) {
			block.WriteString("//\t" + line)
		}
		block.WriteString("//\n")
		if !strings.Contains(string(text), block.String()) {
			t.Errorf("the package comment lacks what Schema returns for %v:\n%s", d, block.String())
		}
	}
}
