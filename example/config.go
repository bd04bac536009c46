package main

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// config is what flags and the environment say.
type config struct {
	addr       string
	appID      string
	secret     string
	emulate    bool   // WeChat is played by this process
	store      string // empty for memory, or a URL redis://…
	keys       [][]byte
	wechatOnly bool

	// of the emulator
	latency time.Duration
	fail    failRates
}

func readConfig(args []string, getenv func(string) string) (config, error) {
	cfg := config{
		addr: getenv("ADDR"), appID: getenv("WX_APPID"), secret: getenv("WX_SECRET"), store: getenv("STORE"), fail: failRates{},
	}
	if cfg.addr == "" {
		cfg.addr = "127.0.0.1:8080"
	}
	flags := flag.NewFlagSet("example", flag.ContinueOnError)
	insecure := flags.Bool("insecure-emulate", false, "emulate WeChat even in Gin's release mode: anybody can log in as anybody")
	flags.BoolVar(&cfg.wechatOnly, "wechat-only", false, "serve just the emulated WeChat, for load tests of another backend")
	flags.DurationVar(&cfg.latency, "latency", 0, "how long each answer of the emulated WeChat takes")
	flags.Var(cfg.fail, "fail", "errcode and share of the emulated WeChat's answers, like 45011=1% (may be repeated)")
	if err := flags.Parse(args); err != nil {
		return config{}, err
	}
	if flags.NArg() > 0 {
		return config{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if (cfg.appID == "") != (cfg.secret == "") {
		return config{}, errors.New("set both WX_APPID and WX_SECRET, or neither to emulate WeChat")
	}
	var err error
	if cfg.keys, err = readKeys(getenv("WXLOGIN_KEYS")); err != nil {
		return config{}, err
	}
	if cfg.store != "" && len(cfg.keys) == 0 {
		return config{}, errors.New("STORE needs WXLOGIN_KEYS: set it to the output of `openssl rand -base64 32`, the same everywhere")
	}
	cfg.emulate = cfg.appID == ""
	if (cfg.emulate || cfg.wechatOnly) && gin.Mode() == gin.ReleaseMode && !*insecure {
		return config{}, errors.New("release mode: set WX_APPID and WX_SECRET; " +
			"an emulated WeChat logs in anybody as anybody, and needs -insecure-emulate")
	}
	return cfg, nil
}

// readKeys reads keys in base64, separated by commas.
func readKeys(text string) (keys [][]byte, err error) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		key, err := base64.StdEncoding.DecodeString(part)
		if err != nil {
			return nil, errors.New("WXLOGIN_KEYS: want base64, separated by commas")
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// failRates is a flag: errcodes and how often they come, from 0 to 1.
type failRates map[int]float64

// String implements flag.Value.
func (f failRates) String() string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(f)) {
		parts = append(parts, fmt.Sprintf("%d=%g%%", code, f[code]*100))
	}
	return strings.Join(parts, ",")
}

// Set implements flag.Value.
func (f failRates) Set(text string) error {
	code, share, ok := strings.Cut(text, "=")
	errcode, err := strconv.Atoi(code)
	if !ok || err != nil {
		return errors.New("want ERRCODE=SHARE%, like 45011=1%")
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(share, "%"), 64)
	if err != nil || !strings.HasSuffix(share, "%") || !(percent >= 0 && percent <= 100) {
		return errors.New("want a share from 0% to 100%, like 45011=1%")
	}
	sum := percent / 100
	for other, rate := range f {
		if other != errcode {
			sum += rate
		}
	}
	if sum > 1 {
		return errors.New("the shares come to more than 100%")
	}
	f[errcode] = percent / 100
	return nil
}
