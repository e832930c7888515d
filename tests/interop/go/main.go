// gRPC-Go's client against the server: what others' code does with the wire.
//
//	client ADDRESS TLS all          every case, a JSON line each
//	client ADDRESS TLS farewell     pays until the server says goodbye
//	client A,B TLS leader CONFIG    pays whoever leads what it reads
//
// Messages are bytes made with protowire, so that nothing has to be generated. A case
// fails with words; what is right is stated in it.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// limit bounds a failure; nothing that works takes as long.
const limit = 60 * time.Second

type peers struct {
	address string
	folder  string
}

// files are the certificate of a role's participant and the authority's.
func (p *peers) config(name string) *tls.Config {
	pair, err := tls.LoadX509KeyPair(
		filepath.Join(p.folder, name+".pem"), filepath.Join(p.folder, name+".key"))
	must(err)
	authority, err := os.ReadFile(filepath.Join(p.folder, "ca.pem"))
	must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}
}

func (p *peers) dial(config *tls.Config, options ...grpc.DialOption) *grpc.ClientConn {
	options = append(options,
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	connection, err := grpc.NewClient(p.address, options...)
	must(err)
	return connection
}

func (p *peers) centre(options ...grpc.DialOption) *grpc.ClientConn {
	return p.dial(p.config("centre-centre-a"), options...)
}

func (p *peers) biller() *grpc.ClientConn {
	return p.dial(p.config("biller-land"))
}

// raw takes bytes for what they are.
type raw struct{}

func (raw) Name() string { return "proto" }
func (raw) Marshal(message any) ([]byte, error) {
	return *message.(*[]byte), nil
}
func (raw) Unmarshal(bytes []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), bytes...)
	return nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

// call is a unary call with bytes.
func call(
	ctx context.Context, to *grpc.ClientConn, method string, request []byte,
	options ...grpc.CallOption,
) ([]byte, error) {
	var reply []byte
	err := to.Invoke(ctx, method, &request, &reply, options...)
	return reply, err
}

func want(err error, code codes.Code) error {
	if status.Code(err) != code {
		return fmt.Errorf("%v was expected, not: %v", code, err)
	}
	return nil
}

type result struct {
	Case string `json:"case"`
	Ok   bool   `json:"ok"`
	Said string `json:"said"`
}

func all(p *peers) {
	shared := p.centre()
	defer shared.Close()
	say := json.NewEncoder(os.Stdout)
	var one sync.Mutex
	run := func(name string, do func() error) {
		err := do()
		said := ""
		if err != nil {
			said = err.Error()
		}
		one.Lock()
		defer one.Unlock()
		must(say.Encode(result{name, err == nil, said}))
	}
	// It waits for a ping, which this library sends after ten seconds at the earliest.
	var waiting sync.WaitGroup
	waiting.Add(1)
	go func() {
		defer waiting.Done()
		run("keepalive", func() error { return keepAlive(p) })
	}()
	for _, each := range cases {
		run(each.name, func() error {
			if err := each.do(p, shared); err != nil {
				return err
			}
			// Whatever was done, the connection still serves.
			return payOne(shared)
		})
	}
	waiting.Wait()
}

func keepAlive(p *peers) error {
	often := keepalive.ClientParameters{
		Time: 10 * time.Second, Timeout: 20 * time.Second, PermitWithoutStream: true}
	connection := p.centre(grpc.WithKeepaliveParams(often))
	defer connection.Close()
	if err := payOne(connection); err != nil {
		return err
	}
	first := connection.GetState()
	ctx, cancel := context.WithTimeout(context.Background(), 11*time.Second)
	defer cancel()
	if connection.WaitForStateChange(ctx, first) {
		return fmt.Errorf("pings ended the connection: %v", connection.GetState())
	}
	return payOne(connection)
}

// farewell pays, one after another, and says what became of each, until a call fails.
func farewell(p *peers) {
	connection := p.centre(grpc.WithDisableRetry())
	defer connection.Close()
	stream, err := openStream(context.Background(), connection)
	must(err)
	ids := [][]byte{newID()}
	must(stream.SendMsg(message(payments(ids))))
	must(answered(stream, ids))
	fmt.Println(`{"ready": true}`)
	paid := 1
	for {
		ctx, cancel := within()
		reply, err := call(ctx, connection, createPayment, payments([][]byte{newID()}))
		cancel()
		if err != nil {
			streamed := stream.RecvMsg(&reply)
			said, _ := json.Marshal(map[string]any{
				"paid": paid, "code": status.Code(err).String(),
				"stream": status.Code(streamed).String()})
			fmt.Println(string(said))
			return
		}
		paid++
	}
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "client ADDRESS TLS all|farewell|leader CONFIG")
		os.Exit(2)
	}
	p := &peers{os.Args[1], os.Args[2]}
	if os.Args[3] == "leader" {
		leader(p, os.Args[4])
		return
	}
	if os.Args[3] == "farewell" {
		farewell(p)
		return
	}
	all(p)
}
