/* A certificate that is its own authority, for both sides of a test. */

#ifndef TEST_CERTIFICATES_H
#define TEST_CERTIFICATES_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    char *key_pem, *certificate_pem;
    long key_size, certificate_size;
};

static inline char *text_of(BIO *bio, long *size) {
    char *data;
    *size = BIO_get_mem_data(bio, &data);
    char *copy = malloc((size_t)*size);
    memcpy(copy, data, (size_t)*size);
    BIO_free(bio);
    return copy;
}

static inline void identity_make(struct identity *identity) {
    identity->key = EVP_EC_gen("P-256");
    X509 *one = identity->certificate = X509_new();
    X509_set_version(one, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(one), 1);
    ASN1_TIME_set_string_X509(X509_getm_notBefore(one), "20000101000000Z");
    ASN1_TIME_set_string_X509(X509_getm_notAfter(one), "20991231235959Z");
    X509_set_pubkey(one, identity->key);
    X509_NAME *name = X509_get_subject_name(one);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(one, name);
    X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "CA:TRUE");
    X509_add_ext(one, ca, -1);
    X509_EXTENSION_free(ca);
    X509_sign(one, identity->key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, one);
    identity->certificate_pem = text_of(bio, &identity->certificate_size);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL);
    identity->key_pem = text_of(bio, &identity->key_size);
}

static inline void identity_free(struct identity *identity) {
    EVP_PKEY_free(identity->key);
    X509_free(identity->certificate);
    free(identity->key_pem);
    free(identity->certificate_pem);
}

#endif
