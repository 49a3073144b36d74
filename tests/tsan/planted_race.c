/* planted_race.c - a data race that ThreadSanitizer must find: proves that the
 * run around it (suppressions, ignore_noninstrumented_modules) is not blind. */
#include <pthread.h>
#include <stdio.h>

static long counter;

static void *count(void *unused)
{
    (void)unused;
    for (int i = 0; i < 10000; i++)
        counter++;
    return NULL;
}

int main(void)
{
    pthread_t a, b;
    pthread_create(&a, NULL, count, NULL);
    pthread_create(&b, NULL, count, NULL);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    printf("%ld\n", counter);
    return 0;
}
