// Benthos with its Kafka input and HTTP output, told by the environment what to do like every peer of the ladder.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/benthosdev/benthos/v4/public/service"

	_ "github.com/benthosdev/benthos/v4/public/components/io"
	_ "github.com/benthosdev/benthos/v4/public/components/kafka"
	_ "github.com/benthosdev/benthos/v4/public/components/pure"
)

// unfold gives each part of the order a name that pipeline.yaml can refer to.
func unfold(order string) error {
	var told map[string]any
	if err := json.Unmarshal([]byte(order), &told); err != nil {
		return err
	}
	names := strings.NewReplacer("-", "_")
	for part, value := range told {
		switch t := value.(type) {
		case string:
			os.Setenv("ORDER_"+strings.ToUpper(part), t)
		case map[string]any:
			for name, one := range t {
				os.Setenv("ORDER_"+strings.ToUpper(names.Replace(name)), one.(string))
			}
		}
	}
	return nil
}

func main() {
	if order, told := os.LookupEnv("BENCH_ORDER"); told {
		if err := unfold(order); err != nil {
			log.Fatal(err)
		}
	}
	service.RunCLI(context.Background())
}
