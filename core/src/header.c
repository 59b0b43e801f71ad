/* Making and checking headers. */
#include "header.h"

/* FNV-1a over the header's fixed fields: tells damage, not malice. */
static uint64_t checksum(const psn_header *header) {
    const unsigned char *byte = (const unsigned char *)header;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < offsetof(psn_header, checksum); i++) {
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void psn_header_seal(psn_header *header, psn_segment_kind kind, uint64_t control_size) {
    header->layout_version = PSN_LAYOUT_VERSION;
    header->kind = (uint32_t)kind;
    header->control_size = control_size;
    header->page_size = (uint32_t)psn_os_page_size();
    header->mutex_size = (uint32_t)sizeof(psn_mutex);
    header->magic = PSN_MAGIC;
    header->checksum = checksum(header);
}

psn_status psn_header_verify(int fd, uint64_t control_size, uint64_t *size) {
    psn_status status = psn_os_memory_verify(fd, size);
    if (status == PSN_OK && *size < control_size) {
        status = psn_fail(PSN_FOREIGN, "it has %llu bytes, a segment has at least %llu",
                          (unsigned long long)*size, (unsigned long long)control_size);
    }
    return status;
}

psn_status psn_header_check(const psn_header *header, psn_segment_kind kind, uint64_t control_size,
                            uint64_t size) {
    if (header->magic != PSN_MAGIC) {
        return psn_fail(PSN_FOREIGN, "magic number is %#llx, not %#llx",
                        (unsigned long long)header->magic, (unsigned long long)PSN_MAGIC);
    }
    if (header->layout_version != PSN_LAYOUT_VERSION) {
        return psn_fail(PSN_FOREIGN, "memory layout is version %u, this program has version %u",
                        header->layout_version, PSN_LAYOUT_VERSION);
    }
    if (header->checksum != checksum(header)) {
        return psn_fail(PSN_CORRUPT, "the header's checksum does not match its contents");
    }
    if (header->kind != (uint32_t)kind) {
        return psn_fail(PSN_FOREIGN, "it is of kind %u, not %u", header->kind, (unsigned)kind);
    }
    if (header->control_size != control_size || header->mutex_size != sizeof(psn_mutex) ||
        header->page_size != psn_os_page_size()) {
        return psn_fail(PSN_FOREIGN, "it was made by a program built for another system");
    }
    if (size < header->control_size) {
        return psn_fail(PSN_CORRUPT, "it has %llu bytes, its header speaks of %llu",
                        (unsigned long long)size, (unsigned long long)header->control_size);
    }
    return PSN_OK;
}
