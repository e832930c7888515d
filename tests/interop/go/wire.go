package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	paymentService = "/payswitch.v1.PaymentService/"
	createPayment  = paymentService + "CreatePayment"
	createPayments = paymentService + "CreatePayments"
	streamPayments = paymentService + "StreamPayments"
	getPayment     = paymentService + "GetPayment"
	followFeed     = "/payswitch.v1.BillerService/FollowFeed"
	resultOK       = 1
	completed      = 3
)

var references atomic.Int64

func newID() []byte {
	id := make([]byte, 16)
	_, err := rand.Read(id)
	must(err)
	return id
}

func newIDs(count int) [][]byte {
	ids := make([][]byte, count)
	for i := range ids {
		ids[i] = newID()
	}
	return ids
}

func bytesField(to []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(
		protowire.AppendTag(to, number, protowire.BytesType), value)
}

func numberField(to []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(
		protowire.AppendTag(to, number, protowire.VarintType), value)
}

// payments is a request of one payment for each id: field 1 of every payment request.
func payments(ids [][]byte) []byte {
	var request []byte
	for _, id := range ids {
		reference := fmt.Sprintf("GO-%d", references.Add(1))
		payment := bytesField(nil, 1, id)
		payment = bytesField(payment, 2, []byte("ANY"))
		payment = numberField(payment, 3, 100)
		payment = bytesField(payment, 4, []byte(reference))
		payment = numberField(payment, 5, 1)
		request = bytesField(request, 1, payment)
	}
	return request
}

func message(bytes []byte) *[]byte { return &bytes }

// fields are the numbers and the bytes of a message, by field; the last of each.
func fields(message []byte) (map[protowire.Number]uint64, map[protowire.Number][]byte) {
	numbers := map[protowire.Number]uint64{}
	parts := map[protowire.Number][]byte{}
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil, nil
		}
		message = message[size:]
		switch kind {
		case protowire.VarintType:
			numbers[number], size = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			parts[number], size = protowire.ConsumeBytes(message)
		default:
			size = protowire.ConsumeFieldValue(number, kind, message)
		}
		if size < 0 {
			return nil, nil
		}
		message = message[size:]
	}
	return numbers, parts
}

// outcomes are the parts of field 1, in order.
func outcomes(reply []byte) ([][]byte, error) {
	var found [][]byte
	for len(reply) > 0 {
		number, kind, size := protowire.ConsumeTag(reply)
		if size < 0 || number != 1 || kind != protowire.BytesType {
			return nil, fmt.Errorf("a reply has another field than outcomes")
		}
		outcome, more := protowire.ConsumeBytes(reply[size:])
		if more < 0 {
			return nil, fmt.Errorf("a reply ends within an outcome")
		}
		found = append(found, outcome)
		reply = reply[size+more:]
	}
	return found, nil
}

// check holds outcomes against the ids that were paid.
func check(found [][]byte, ids [][]byte) error {
	if len(found) != len(ids) {
		return fmt.Errorf("%d outcomes for %d payments", len(found), len(ids))
	}
	for i, outcome := range found {
		numbers, parts := fields(outcome)
		if !bytes.Equal(parts[1], ids[i]) {
			return fmt.Errorf("outcome %d is of another payment", i)
		}
		if numbers[2] != resultOK || numbers[3] == 0 || numbers[13] != completed {
			return fmt.Errorf("outcome %d: result %d, state %d", i, numbers[2], numbers[13])
		}
	}
	return nil
}

func pay(to *grpc.ClientConn, method string, ids [][]byte, options ...grpc.CallOption) error {
	ctx, cancel := within()
	defer cancel()
	reply, err := call(ctx, to, method, payments(ids), options...)
	if err != nil {
		return err
	}
	found, err := outcomes(reply)
	if err != nil {
		return err
	}
	return check(found, ids)
}

func payOne(to *grpc.ClientConn) error {
	return pay(to, createPayment, newIDs(1))
}

func openStream(
	ctx context.Context, to *grpc.ClientConn, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	description := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	return to.NewStream(ctx, description, streamPayments, options...)
}

// answered reads the outcomes of these payments, in their order.
func answered(stream grpc.ClientStream, ids [][]byte) error {
	var found [][]byte
	for len(found) < len(ids) {
		var reply []byte
		if err := stream.RecvMsg(&reply); err != nil {
			return fmt.Errorf("after %d of %d answers: %w", len(found), len(ids), err)
		}
		more, err := outcomes(reply)
		if err != nil {
			return err
		}
		found = append(found, more...)
	}
	return check(found, ids)
}

func ended(stream grpc.ClientStream) error {
	var reply []byte
	if err := stream.RecvMsg(&reply); err != io.EOF {
		return fmt.Errorf("the stream did not end with OK: %v", err)
	}
	return nil
}
