// SPDX-License-Identifier: MIT
/*
 * libcrypto by contexts that are made once: setting a nonce is then all that comes before the
 * bytes. The key itself is forgotten as soon as the contexts have its schedule.
 */
#include "store/seal.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define KEY_BYTES   32u
#define NONCE_BYTES 12u

/* In a page of its own: locked, in no core, wiped in children. */
struct secret {
	_Atomic uint64_t serial; /* the last one that was given; 0: wiped */
	unsigned char key[KEY_BYTES];
};

struct seal {
	struct secret *secret;
	OSSL_LIB_CTX *library; /* our own: nothing of the program's configuration is loaded */
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *sealer, *openers[SEAL_OPENERS];
};

static int make_secret(struct seal *seal)
{
	struct secret *secret = mmap(NULL, sizeof(*secret), PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t got;

	if (secret == MAP_FAILED)
		return -ENOMEM;
	seal->secret = secret;
	/* Under a small limit on locked memory it stays unlocked, for as long as seal_new takes. */
	(void)!mlock(secret, sizeof(*secret));
	if (madvise(secret, sizeof(*secret), MADV_DONTDUMP) ||
	    madvise(secret, sizeof(*secret), MADV_WIPEONFORK))
		return -EIO;
	do
		got = getrandom(secret->key, KEY_BYTES, 0);
	while (got < 0 && errno == EINTR);
	atomic_store(&secret->serial, 1);
	return got == KEY_BYTES ? 0 : -EIO;
}

static EVP_CIPHER_CTX *make_context(struct seal *seal, int encrypt)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (context &&
	    EVP_CipherInit_ex2(context, seal->cipher, seal->secret->key, NULL, encrypt, NULL) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

static int make_contexts(struct seal *seal)
{
	seal->library = OSSL_LIB_CTX_new();
	seal->cipher = seal->library ? EVP_CIPHER_fetch(seal->library, "AES-256-GCM", NULL) : NULL;
	seal->sealer = seal->cipher ? make_context(seal, 1) : NULL;
	if (!seal->sealer)
		return -EIO;
	for (unsigned int i = 0; i < SEAL_OPENERS; i++) {
		seal->openers[i] = make_context(seal, 0);
		if (!seal->openers[i])
			return -EIO;
	}
	return 0;
}

int seal_new(struct seal **out)
{
	struct seal *seal = calloc(1, sizeof(*seal));
	int error;

	if (!seal)
		return -ENOMEM;
	error = make_secret(seal);
	if (!error)
		error = make_contexts(seal);
	if (seal->secret)
		OPENSSL_cleanse(seal->secret->key, KEY_BYTES);
	if (error) {
		seal_free(seal);
		return error;
	}
	*out = seal;
	return 0;
}

void seal_free(struct seal *seal)
{
	if (!seal)
		return;
	/* These are wiped as well. */
	for (unsigned int i = 0; i < SEAL_OPENERS; i++)
		EVP_CIPHER_CTX_free(seal->openers[i]);
	EVP_CIPHER_CTX_free(seal->sealer);
	EVP_CIPHER_free(seal->cipher);
	OSSL_LIB_CTX_free(seal->library);
	if (seal->secret)
		munmap(seal->secret, sizeof(*seal->secret));
	free(seal);
}

uint64_t seal_serial(struct seal *seal)
{
	uint64_t last = atomic_load(&seal->secret->serial);

	while (last && !atomic_compare_exchange_weak(&seal->secret->serial, &last, last + 1))
		;
	return last;
}

static bool begin(EVP_CIPHER_CTX *context, uint64_t serial, uint32_t offset)
{
	unsigned char nonce[NONCE_BYTES];

	memcpy(nonce, &serial, sizeof(serial));
	memcpy(nonce + sizeof(serial), &offset, sizeof(offset));
	return EVP_CipherInit_ex2(context, NULL, NULL, nonce, -1, NULL) == 1;
}

int seal_object(struct seal *seal, uint64_t serial, uint32_t offset, const void *in, uint32_t bytes,
		void *out)
{
	unsigned char *to = out;
	int length = (int)(bytes - SEAL_TAG), done, more;

	if (begin(seal->sealer, serial, offset) &&
	    EVP_CipherUpdate(seal->sealer, to, &done, in, length) == 1 &&
	    EVP_CipherFinal_ex(seal->sealer, to + done, &more) == 1 &&
	    EVP_CIPHER_CTX_ctrl(seal->sealer, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, to + length) == 1)
		return 0;
	return -EIO;
}

uint64_t seal_peek(struct seal *seal, unsigned int opener, uint64_t serial, uint32_t offset,
		   const void *in)
{
	EVP_CIPHER_CTX *context = seal->openers[opener];
	uint64_t word = 0;
	int done;

	if (!begin(context, serial, offset) ||
	    EVP_CipherUpdate(context, (unsigned char *)&word, &done, in, sizeof(word)) != 1)
		return 0;
	return word;
}

int seal_unseal(struct seal *seal, unsigned int opener, uint64_t serial, uint32_t offset,
		const void *in, uint32_t bytes, void *out)
{
	EVP_CIPHER_CTX *context = seal->openers[opener];
	unsigned char tag[SEAL_TAG], *to = out;
	int length, done, more;

	if (bytes <= SEAL_TAG)
		return -EILSEQ;
	length = (int)(bytes - SEAL_TAG);
	memcpy(tag, (const unsigned char *)in + length, SEAL_TAG);
	if (begin(context, serial, offset) &&
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) == 1 &&
	    EVP_CipherUpdate(context, to, &done, in, length) == 1 &&
	    EVP_CipherFinal_ex(context, to + done, &more) == 1)
		return 0;
	return -EILSEQ;
}
