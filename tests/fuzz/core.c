/* The targets over the core in one, as its C is the largest file that there is: the linker
   chooses between them (build.mk). */

#include "chunks.c"
#include "wire.c"
