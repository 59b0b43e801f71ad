/* Description: attaching to anything but an intact segment of this version and kind is refused
 * with a reason, leaves the descriptors open and nothing mapped. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "harness.h"
#include "layout.h"

static psn_queue *queue;
static int memory_fd, doorbell;

static void refused(psn_status expected, int fd, const char *reason) {
    psn_queue *attached;
    unsigned descriptors = count_descriptors(), maps = count_maps();
    CHECK_STATUS(expected, psn_queue_attach(fd, doorbell, &attached));
    if (reason != NULL && strstr(psn_last_detail(), reason) == NULL) {
        FAIL("the reason \"%s\" does not speak of \"%s\"", psn_last_detail(), reason);
    }
    CHECK_EQUAL(descriptors, count_descriptors());
    CHECK_EQUAL(maps, count_maps());
}

static int copy_of_segment(bool sealed, size_t size) {
    int fd = memfd_create("procession-copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    char page[4096];
    CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    CHECK_EQUAL(4096, pread(memory_fd, page, sizeof page, 0));
    CHECK_EQUAL(size < 4096 ? size : 4096, pwrite(fd, page, size < 4096 ? size : 4096, 0));
    if (sealed) {
        CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    }
    return fd;
}

static void changed(psn_status expected, size_t at, uint32_t value, const char *reason) {
    int fd = copy_of_segment(true, PSN_CONTROL_SIZE);
    CHECK_EQUAL(sizeof value, pwrite(fd, &value, sizeof value, (off_t)at));
    refused(expected, fd, reason);
    close(fd);
}

static void intact_segment_is_taken(void) {
    psn_queue *again;
    int fds[2] = {dup(memory_fd), dup(doorbell)};
    CHECK_STATUS(PSN_OK, psn_queue_attach(fds[0], fds[1], &again));
    CHECK_STATUS(PSN_OK, put_number(again, 1, 5, 100));
    psn_queue_detach(again);
    CHECK(fcntl(fds[0], F_GETFD) < 0 && fcntl(fds[1], F_GETFD) < 0);
    CHECK_EQUAL(5, take_number(queue, NULL));
}

static void changed_header_is_refused(void) {
    changed(PSN_FOREIGN, offsetof(psn_header, magic), 1, "magic");
    changed(PSN_FOREIGN, offsetof(psn_header, layout_version), PSN_LAYOUT_VERSION + 1, "version");
    changed(PSN_CORRUPT, offsetof(psn_header, kind), 77, "checksum");
    changed(PSN_CORRUPT, offsetof(psn_header, control_size), 4096, "checksum");
    changed(PSN_CORRUPT, offsetof(psn_header, checksum), 0, "checksum");
}

static void other_kind_is_refused(void) {
    psn_channel *channel, *other;
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &channel, &other));
    int channel_fd, in_fd, out_fd;
    CHECK_STATUS(PSN_OK, psn_channel_descriptors(channel, &channel_fd, &in_fd, &out_fd));
    refused(PSN_FOREIGN, channel_fd, "kind");
    psn_channel *attached;
    CHECK_STATUS(PSN_FOREIGN, psn_channel_attach(memory_fd, in_fd, out_fd, 0, &attached));
    CHECK_STATUS(PSN_SYSTEM, psn_channel_attach(channel_fd, -1, -1, 0, &attached));
    CHECK_STATUS(PSN_SYSTEM, psn_channel_attach(channel_fd, in_fd, out_fd, 2, &attached));
    CHECK_STATUS(PSN_SYSTEM, psn_channel_attach(channel_fd, 9999, out_fd, 0, &attached));
    CHECK_EQUAL(EBADF, errno);
    psn_channel_close(channel);
    psn_channel_close(other);
}

static void other_descriptors_are_refused(void) {
    psn_queue *again;
    int fd = copy_of_segment(true, 4096);
    refused(PSN_FOREIGN, fd, "bytes");
    close(fd);
    fd = copy_of_segment(true, 100);
    refused(PSN_FOREIGN, fd, "bytes");
    close(fd);
    fd = copy_of_segment(false, PSN_CONTROL_SIZE);
    refused(PSN_FOREIGN, fd, "sealed");
    close(fd);
    fd = memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(ftruncate(fd, PSN_CONTROL_SIZE) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    refused(PSN_FOREIGN, fd, "magic");
    close(fd);

    FILE *file = tmpfile();
    CHECK(file != NULL);
    refused(PSN_FOREIGN, fileno(file), "sealed");
    fclose(file);
    int ends[2];
    CHECK(pipe(ends) == 0);
    refused(PSN_FOREIGN, ends[0], "not a file");
    close(ends[0]);
    close(ends[1]);
    refused(PSN_SYSTEM, 9999, NULL);
    CHECK_EQUAL(EBADF, errno);
    CHECK_STATUS(PSN_SYSTEM, psn_queue_attach(memory_fd, 9999, &again));
}

int main(void) {
    begin(30);
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    psn_queue_descriptors(queue, &memory_fd, &doorbell);
    intact_segment_is_taken();
    changed_header_is_refused();
    other_kind_is_refused();
    other_descriptors_are_refused();
    CHECK_STATUS(PSN_OK, put_number(queue, 1, 6, 100));
    CHECK_EQUAL(6, take_number(queue, NULL));
    psn_queue_detach(queue);
    CHECK_EQUAL(0, count_maps());
    return 0;
}
