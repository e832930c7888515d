package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflection_v1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflection_v1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type named struct {
	name string
	do   func(p *peers, shared *grpc.ClientConn) error
}

const mebibyte = 1 << 20

// plain makes messages of generated classes, beside the codec of bytes.
type plain struct{}

func (plain) Name() string                    { return "proto" }
func (plain) Marshal(m any) ([]byte, error)   { return proto.Marshal(m.(proto.Message)) }
func (plain) Unmarshal(b []byte, m any) error { return proto.Unmarshal(b, m.(proto.Message)) }
func generated() grpc.CallOption              { return grpc.ForceCodec(plain{}) }

var cases = []named{
	{"unary_empty", func(_ *peers, shared *grpc.ClientConn) error {
		// No payment in it: the shape is wrong, and the answer says so.
		ctx, cancel := within()
		defer cancel()
		_, err := call(ctx, shared, createPayment, nil)
		return want(err, codes.InvalidArgument)
	}},
	{"unary", func(_ *peers, shared *grpc.ClientConn) error { return payOne(shared) }},
	{"unary_large", func(_ *peers, shared *grpc.ClientConn) error {
		// Half a megabyte each way, more than any window at the start.
		return pay(shared, createPayments, newIDs(8190))
	}},
	{"too_large", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		_, err := call(ctx, shared, createPayments, make([]byte, 64*mebibyte))
		return want(err, codes.ResourceExhausted)
	}},
	{"metadata", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		ctx = metadata.AppendToOutgoingContext(
			ctx, "x-trace", "something of ours", "x-trace-bin", "\x00\xff\x80")
		ids := newIDs(1)
		var head, trail metadata.MD
		reply, err := call(ctx, shared, createPayment, payments(ids),
			grpc.Header(&head), grpc.Trailer(&trail))
		if err != nil {
			return err
		}
		found, err := outcomes(reply)
		if err != nil {
			return err
		}
		if kind := head.Get("content-type"); len(kind) != 1 ||
			!strings.HasPrefix(kind[0], "application/grpc") {
			return fmt.Errorf("headers: %v, trailers: %v", head, trail)
		}
		return check(found, ids)
	}},
	{"metadata_too_large", func(p *peers, _ *grpc.ClientConn) error {
		// The library itself refuses what the server's settings forbid, the server
		// the rest; either way that call alone.
		connection := p.centre()
		defer connection.Close()
		if err := payOne(connection); err != nil {
			return err
		}
		ctx, cancel := within()
		defer cancel()
		ctx = metadata.AppendToOutgoingContext(ctx, "x-long", strings.Repeat("x", 100_000))
		_, err := call(ctx, connection, createPayment, payments(newIDs(1)))
		if code := status.Code(err); code != codes.ResourceExhausted && code != codes.Internal {
			return fmt.Errorf("too much metadata: %v", err)
		}
		return payOne(connection)
	}},
	{"details", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		_, err := call(ctx, shared, getPayment, bytesField(nil, 1, []byte("short")))
		if err := want(err, codes.InvalidArgument); err != nil {
			return err
		}
		for _, detail := range status.Convert(err).Details() {
			if bad, is := detail.(*errdetails.BadRequest); is {
				if bad.FieldViolations[0].Field != "id" {
					return fmt.Errorf("the details name %v", bad.FieldViolations)
				}
				return nil
			}
		}
		return fmt.Errorf("no details: %v", err)
	}},
	{"not_found", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		_, err := call(ctx, shared, getPayment, bytesField(nil, 1, newID()))
		return want(err, codes.NotFound)
	}},
	{"denied", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		_, err := call(ctx, shared, "/payswitch.v1.AdminService/TopUp", nil)
		return want(err, codes.PermissionDenied)
	}},
	{"denied_stream", func(_ *peers, shared *grpc.ClientConn) error {
		// Before any message, and to one that closes its side at once as well.
		for range 2 {
			ctx, cancel := within()
			defer cancel()
			stream, err := shared.NewStream(ctx,
				&grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
				"/payswitch.v1.BillerService/Connect")
			if err != nil {
				return err
			}
			_ = stream.CloseSend()
			var reply []byte
			if err := want(stream.RecvMsg(&reply), codes.PermissionDenied); err != nil {
				return err
			}
		}
		return nil
	}},
	{"cancelled_before", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		cancel()
		_, err := call(ctx, shared, createPayment, payments(newIDs(1)))
		return want(err, codes.Canceled)
	}},
	{"cancelled_after", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		stream, err := openStream(ctx, shared)
		if err != nil {
			return err
		}
		ids := newIDs(3)
		if err := stream.SendMsg(message(payments(ids))); err != nil {
			return err
		}
		if err := answered(stream, ids); err != nil {
			return err
		}
		cancel()
		var reply []byte
		return want(stream.RecvMsg(&reply), codes.Canceled)
	}},
	{"cancelled_between", func(_ *peers, shared *grpc.ClientConn) error {
		// Wherever it meets them: each is paid and known, or was never there.
		ids := newIDs(200)
		var all sync.WaitGroup
		for i, id := range ids {
			all.Add(1)
			go func() {
				defer all.Done()
				ctx, cancel := context.WithTimeout(
					context.Background(), time.Duration(i)*50*time.Microsecond)
				defer cancel()
				_, _ = call(ctx, shared, createPayment, payments([][]byte{id}))
			}()
		}
		all.Wait()
		for _, id := range ids {
			ctx, cancel := within()
			_, err := call(ctx, shared, getPayment, bytesField(nil, 1, id))
			cancel()
			if code := status.Code(err); code != codes.OK && code != codes.NotFound {
				return err
			}
		}
		return nil
	}},
	{"half_close", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		stream, err := openStream(ctx, shared)
		if err != nil {
			return err
		}
		ids := newIDs(100)
		for _, id := range ids {
			if err := stream.SendMsg(message(payments([][]byte{id}))); err != nil {
				return err
			}
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		if err := answered(stream, ids); err != nil {
			return err
		}
		return ended(stream)
	}},
	{"half_close_at_once", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		stream, err := openStream(ctx, shared)
		if err != nil {
			return err
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		return ended(stream)
	}},
	{"server_stream", func(p *peers, _ *grpc.ClientConn) error {
		biller := p.biller()
		defer biller.Close()
		stream, err := feed(biller, context.Background(), numberField(nil, 2, 1))
		if err != nil {
			return err
		}
		events := 0
		for {
			var page []byte
			err := stream.RecvMsg(&page)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			if numbers, _ := fields(page); numbers[2] == 0 {
				return fmt.Errorf("a page without a cursor")
			}
			events++
		}
		if events == 0 {
			return fmt.Errorf("no event, although payments were made")
		}
		return nil
	}},
	{"server_stream_deadline", func(p *peers, _ *grpc.ClientConn) error {
		biller := p.biller()
		defer biller.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		stream, err := feed(biller, ctx, nil)
		for err == nil {
			var page []byte
			err = stream.RecvMsg(&page)
		}
		return want(err, codes.DeadlineExceeded)
	}},
	{"does_not_read", func(_ *peers, shared *grpc.ClientConn) error {
		// Flow control holds that stream back, and that stream alone.
		ctx, cancel := within()
		defer cancel()
		stream, err := openStream(ctx, shared)
		if err != nil {
			return err
		}
		ids := newIDs(20 * 1000)
		sent := make(chan error, 1)
		go func() {
			for at := 0; at < len(ids); at += 1000 {
				part := message(payments(ids[at : at+1000]))
				if err := stream.SendMsg(part); err != nil {
					sent <- err
					return
				}
			}
			sent <- stream.CloseSend()
		}()
		for range 20 {
			if err := payOne(shared); err != nil {
				return err
			}
		}
		if err := answered(stream, ids); err != nil {
			return err
		}
		if err := <-sent; err != nil {
			return err
		}
		return ended(stream)
	}},
	{"gzip", func(_ *peers, shared *grpc.ClientConn) error {
		// Refused as gRPC says, and nothing done.
		ctx, cancel := within()
		defer cancel()
		id := newID()
		_, err := call(ctx, shared, createPayment, payments([][]byte{id}),
			grpc.UseCompressor("gzip"))
		if err := want(err, codes.Unimplemented); err != nil {
			return err
		}
		_, err = call(ctx, shared, getPayment, bytesField(nil, 1, id))
		return want(err, codes.NotFound)
	}},
	{"no_method", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		for _, path := range []string{paymentService + "Nothing", "/nobody.Service/Call"} {
			_, err := call(ctx, shared, path, nil)
			if err := want(err, codes.Unimplemented); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return nil
	}},
	{"content_type", func(p *peers, _ *grpc.ClientConn) error {
		// As HTTP: 415, whatever the method would say.
		transport := &http.Transport{
			TLSClientConfig: p.config("centre-centre-a"), ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: limit}
		reply, err := client.Post(
			"https://"+p.address+createPayment, "text/plain", bytes.NewReader([]byte("x")))
		if err != nil {
			return err
		}
		defer reply.Body.Close()
		if reply.ProtoMajor != 2 || reply.StatusCode != http.StatusUnsupportedMediaType {
			return fmt.Errorf("%s %s", reply.Proto, reply.Status)
		}
		return nil
	}},
	{"health", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		client := grpc_health_v1.NewHealthClient(shared)
		request := &grpc_health_v1.HealthCheckRequest{}
		reply, err := client.Check(ctx, request, generated())
		if err != nil {
			return err
		}
		if reply.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			return fmt.Errorf("health: %v", reply)
		}
		request.Service = "nobody.Service"
		_, err = client.Check(ctx, request, generated())
		return want(err, codes.NotFound)
	}},
	{"health_watch", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		client := grpc_health_v1.NewHealthClient(shared)
		stream, err := client.Watch(
			ctx, &grpc_health_v1.HealthCheckRequest{}, generated())
		if err != nil {
			return err
		}
		reply, err := stream.Recv()
		if err != nil {
			return err
		}
		if reply.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			return fmt.Errorf("health: %v", reply)
		}
		return nil
	}},
	{"reflection", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		stream, err := reflection_v1.NewServerReflectionClient(shared).
			ServerReflectionInfo(ctx, generated())
		if err != nil {
			return err
		}
		type list = reflection_v1.ServerReflectionRequest_ListServices
		request := &reflection_v1.ServerReflectionRequest{MessageRequest: &list{}}
		if err := stream.Send(request); err != nil {
			return err
		}
		reply, err := stream.Recv()
		if err != nil {
			return err
		}
		for _, one := range reply.GetListServicesResponse().GetService() {
			if one.Name == "payswitch.v1.PaymentService" {
				return stream.CloseSend()
			}
		}
		return fmt.Errorf("services: %v", reply)
	}},
	{"reflection_v1alpha", func(_ *peers, shared *grpc.ClientConn) error {
		ctx, cancel := within()
		defer cancel()
		stream, err := reflection_v1alpha.NewServerReflectionClient(shared).
			ServerReflectionInfo(ctx, generated())
		if err != nil {
			return err
		}
		type symbol = reflection_v1alpha.ServerReflectionRequest_FileContainingSymbol
		request := &reflection_v1alpha.ServerReflectionRequest{
			MessageRequest: &symbol{FileContainingSymbol: "payswitch.v1.Payment"}}
		if err := stream.Send(request); err != nil {
			return err
		}
		reply, err := stream.Recv()
		if err != nil {
			return err
		}
		if len(reply.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
			return fmt.Errorf("no descriptor: %v", reply)
		}
		return stream.CloseSend()
	}},
	{"parallel", func(_ *peers, shared *grpc.ClientConn) error {
		failures := make(chan error, 1000)
		for range cap(failures) {
			go func() { failures <- payOne(shared) }()
		}
		var found error
		for range cap(failures) {
			found = errors.Join(found, <-failures)
		}
		return found
	}},
	{"tls_1_2", func(p *peers, _ *grpc.ClientConn) error {
		config := p.config("centre-centre-a")
		config.MaxVersion = tls.VersionTLS12
		connection := p.dial(config)
		defer connection.Close()
		return payOne(connection)
	}},
	{"no_certificate", func(p *peers, _ *grpc.ClientConn) error {
		config := p.config("centre-centre-a")
		config.Certificates = nil
		connection := p.dial(config)
		defer connection.Close()
		return want(payOne(connection), codes.Unavailable)
	}},
}

func feed(to *grpc.ClientConn, ctx context.Context, request []byte) (grpc.ClientStream, error) {
	stream, err := to.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, followFeed)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(&request); err != nil {
		return nil, err
	}
	return stream, stream.CloseSend()
}
