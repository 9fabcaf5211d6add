#include <outlive.h>
#include <stdio.h>

int main(void) {
    printf("outlive %s\n", outlive_version());
    return 0;
}
