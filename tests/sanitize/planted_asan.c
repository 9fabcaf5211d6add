/* A read of freed memory, for the checker to find. */
#include <stdlib.h>

int main(void) {
    volatile char *memory = malloc(10);
    free((void *)memory);
    return memory[3] == 'x';
}
