/* Ed25519 signatures (RFC 8032), verified by OpenSSL. */

#ifndef SWITCH_SIGNATURE_H
#define SWITCH_SIGNATURE_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdint.h>

/* Whether `signature` (64 bytes) is of the 32 bytes of `hash`, by the owner of `key` (32
 * bytes): 1, or 0; -1 if there was no memory to say so. Leaves nothing in the thread's queue
 * of OpenSSL's errors, which is others', too. */
static int signature_is_right(const uint8_t *key, const uint8_t *signature, const uint8_t *hash) {
    ERR_set_mark();
    int right = -1;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *owner = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32);
    if (context != NULL && owner != NULL &&
        EVP_DigestVerifyInit(context, NULL, NULL, NULL, owner) == 1)
        right = EVP_DigestVerify(context, signature, 64, hash, 32) == 1;
    EVP_PKEY_free(owner);
    EVP_MD_CTX_free(context);
    ERR_pop_to_mark();
    return right;
}

#endif
