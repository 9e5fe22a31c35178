"""To whom well-known jars belong that do not say it: Gradle and Ant leave out pom.properties.

By artifact, or by what it begins with (`*`); the longest that fits counts. Groups as Maven Central has them.
"""

from __future__ import annotations

from typing import Final

# Projects of old, whose only artifact has the group's name.
_THEIR_OWN: Final = (
    "antlr asm classworlds commons-beanutils commons-chain commons-cli commons-codec commons-collections "
    "commons-configuration commons-dbcp commons-digester commons-discovery commons-el commons-fileupload "
    "commons-httpclient commons-io commons-jxpath commons-lang commons-logging commons-net commons-pool "
    "commons-validator dom4j junit log4j oro xalan xml-apis xmlpull"
)
_GROUPS: Final = {
    "com.github.luben": "zstd-jni",
    "com.h2database": "h2",
    "com.jayway.jsonpath": "json-path",
    "com.jcraft": "jsch",
    "com.mchange": "c3p0",
    "com.mysql": "mysql-connector-j",
    "com.squareup.okhttp3": "okhttp",
    "com.squareup.okio": "okio*",
    "com.squareup.retrofit2": "retrofit",
    "com.typesafe.akka": "akka-*",
    "io.grpc": "grpc-*",
    "io.ktor": "ktor-*",
    "io.micrometer": "micrometer-*",
    "io.micronaut": "micronaut-*",
    "io.projectreactor": "reactor-core",
    "io.projectreactor.netty": "reactor-netty*",
    "io.reactivex": "rxjava",
    "javax.servlet": "jstl",
    "mysql": "mysql-connector-java",
    "org.apache.ant": "ant",
    "org.apache.derby": "derby",
    "org.apache.kafka": "kafka-clients kafka_*",
    "org.apache.lucene": "lucene-*",
    "org.apache.poi": "poi poi-*",
    "org.apache.tomcat": "tomcat-jdbc tomcat-juli",
    "org.apache.tomcat.embed": "tomcat-embed-*",
    "org.apache.velocity": "velocity",
    "org.apache.xmlbeans": "xmlbeans",
    "org.apache.xmlgraphics": "batik-*",
    "org.aspectj": "aspectjrt aspectjweaver",
    "org.bouncycastle": "bcmail-* bcpg-* bcpkix-* bcprov-* bctls-* bcutil-*",
    "org.checkerframework": "checker-qual",
    "org.codehaus.groovy": "groovy groovy-*",
    "org.elasticsearch": "elasticsearch",
    "org.freemarker": "freemarker",
    "org.hibernate": "hibernate-core",
    "org.hibernate.validator": "hibernate-validator",
    "org.hsqldb": "hsqldb",
    "org.jdom": "jdom jdom2",
    "org.jetbrains.kotlin": "kotlin-*",
    "org.jetbrains.kotlinx": "kotlinx-coroutines-*",
    "org.lz4": "lz4-java",
    "org.mockito": "mockito-core",
    "org.mongodb": "bson mongo-java-driver mongodb-driver-*",
    "org.mozilla": "rhino",
    "org.objenesis": "objenesis",
    "org.reactivestreams": "reactive-streams",
    "org.scala-lang": "scala-compiler scala-library",
    "org.springframework": (
        "spring-aop spring-aspects spring-beans spring-context* spring-core spring-expression spring-jcl spring-jdbc "
        "spring-jms spring-messaging spring-orm spring-oxm spring-test spring-tx spring-web spring-webflux "
        "spring-webmvc spring-websocket"
    ),
    "org.springframework.amqp": "spring-amqp spring-rabbit",
    "org.springframework.batch": "spring-batch-*",
    "org.springframework.boot": "spring-boot*",
    "org.springframework.graphql": "spring-graphql",
    "org.springframework.integration": "spring-integration-*",
    "org.springframework.kafka": "spring-kafka",
    "org.springframework.ldap": "spring-ldap-core",
    "org.springframework.security": "spring-security-*",
    "org.springframework.session": "spring-session-*",
    "xerces": "xercesImpl",
}
_KNOWN: Final = {
    **{artifact: artifact for artifact in _THEIR_OWN.split()},
    **{artifact: group for group, artifacts in _GROUPS.items() for artifact in artifacts.split()},
}


def group_of(artifact: str) -> str:
    """ "" for one that is not known."""
    fitting = [each for each in _KNOWN if artifact == each or (each[-1] == "*" and artifact.startswith(each[:-1]))]
    return _KNOWN[max(fitting, key=len)] if fitting else ""
