package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc"
	// With it, health of the service in the service config is asked for.
	_ "google.golang.org/grpc/health"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
)

// leader pays each request that comes as a line of hexadecimal digits, over several
// servers: addresses with commas between them. The answer is a line like it, or a status.
func leader(p *peers, serviceConfig string) {
	// This library has no scheme for lists of addresses.
	list := manual.NewBuilderWithScheme("list")
	state := resolver.State{}
	for _, address := range strings.Split(p.address, ",") {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address})
	}
	list.InitialState(state)
	config := p.config("centre-centre-a")
	config.ServerName = "localhost"
	p.address = "list:///switch"
	connection := p.dial(config,
		grpc.WithResolvers(list), grpc.WithDefaultServiceConfig(serviceConfig))
	defer connection.Close()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		request, err := hex.DecodeString(lines.Text())
		must(err)
		ctx, cancel := within()
		reply, err := call(ctx, connection, createPayment, request)
		cancel()
		if err != nil {
			fmt.Println("!", status.Code(err), err)
			continue
		}
		fmt.Println(hex.EncodeToString(reply))
	}
}
